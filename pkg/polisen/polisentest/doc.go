// Package polisentest stands in for the events API in tests: synthetic event
// notices (Notice, Response, Body), and a fake of the API with scripted
// answers and faults that reports calls which break the API's rules.
//
// It knows the API, not this program: nothing of the archive is in here.
package polisentest
