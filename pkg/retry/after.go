package retry

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ParseAfter returns the delay from now that the Retry-After header asks for, in
// seconds or as a date (RFC 9110, section 10.2.3). It is zero if the header is
// missing, invalid, negative or in the past, and at most 146 years.
func ParseAfter(h http.Header, now time.Time) time.Duration {
	const longest = 1 << 62 / time.Second * time.Second
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	// For a number out of range ParseInt returns the nearest valid one. It does so as well if
	// other characters follow the digits.
	if s, err := strconv.ParseInt(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) && strings.Trim(text[1:], "0123456789") == "" {
		return time.Duration(min(max(s, 0), int64(longest/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return min(max(t.Sub(now), 0), longest)
	}
	return 0
}
