package polisen

import "time"

// URL returns the address that a Fetch of q calls; of a saved response its path.
func (c *Client) URL(q Query) string {
	if c.base == nil {
		return c.path
	}
	return c.target(q).String()
}

// Pace returns how long it takes at least until the last of n calls may be
// made, by the API's rules and the calls that the ledger knows of.
func (c *Client) Pace(n int) time.Duration {
	if c.base == nil {
		return 0
	}
	return c.ledger.pace(n)
}

// pace only looks at the ledger: its answer is good for the moment.
func (l *ledger) pace(n int) time.Duration {
	now := l.now()
	r, _ := readLedger(l.path) // the next turn warns of a damaged one
	r.prune(now)
	queue := r.Calls
	at := r.earliest(now)
	for range n {
		at, _ = nextCall(l.rules, queue, at)
		queue = append(queue, at)
	}
	return at.Sub(now)
}
