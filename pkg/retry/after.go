package retry

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// ParseAfter reads the Retry-After header (RFC 9110, section 10.2.3): seconds
// or an HTTP date. It returns zero for a missing, unreadable, negative or past
// value.
func ParseAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	// Of a number out of range ParseInt returns the nearest.
	if s, err := strconv.ParseInt(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		const most = int64(1<<62) / int64(time.Second)
		return time.Duration(min(max(s, 0), most)) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
