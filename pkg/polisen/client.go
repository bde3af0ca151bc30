package polisen

// FullResponse is the most events that the API gives in one response.
const FullResponse = 500
