// Package address checks the addresses that users give: web URLs, paths and Oracle
// Cloud identifiers, such as OCIDs. It holds secret ones in types that cannot be printed,
// and decides which text of a user a message may show.
//
// It checks only their form, and makes no call.
package address

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ParseHTTP parses an absolute URL with the scheme https, or http if the host is
// this machine (see [IsLoopback]). A URL with a user, a password or a fragment is
// an error. No error repeats s, which may contain a password.
func ParseHTTP(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case strings.TrimSpace(s) != s:
		return nil, errors.New("the URL begins or ends with a space or a line end")
	case err != nil || u.Hostname() == "":
		return nil, errors.New("not a URL with a host")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("unsupported scheme%s: use https://", Quoted(u.Scheme))
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("the URL must not have a user, a password or a fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, errors.New("http:// works for loopback hosts only: use https://")
	}
	return u, nil
}

// IsLoopback reports whether host, without a port, is this machine: localhost
// or a loopback IP address.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// regionForm matches a region's identifier, such as eu-stockholm-1, and its
// three-letter key, such as phx
// (https://docs.oracle.com/iaas/Content/General/Concepts/regions.htm).
var regionForm = regexp.MustCompile(`^([a-z]{2,4}(-[a-z]+)+-[0-9]+|[a-z][a-z][a-z])$`)

// IsRegion reports whether s has the form of a region's name, which becomes part of
// host names.
func IsRegion(s string) bool { return regionForm.MatchString(s) }

// ocidForm is ocid1.<type>.<realm>.[region][.future].<id>
// (https://docs.oracle.com/iaas/Content/General/Concepts/identifiers.htm).
var ocidForm = regexp.MustCompile(`^ocid1\.([a-z0-9]+)\.[a-z0-9-]+\.[a-z0-9-]*(\.[A-Za-z0-9_-]+)+$`)

// CheckOCID returns an error unless s is an OCID with one of the given resource
// types, such as "vault" or "compartment". The error does not repeat s.
func CheckOCID(s string, types ...string) error {
	m := ocidForm.FindStringSubmatch(s)
	switch {
	case m == nil:
		return errors.New("not an OCID")
	case !slices.Contains(types, m[1]):
		return fmt.Errorf("the OCID of a %s, not of a %s", m[1], strings.Join(types, " or "))
	}
	return nil
}

// OCIDRegion returns the region in an OCID of a resource that belongs to one, such as a
// vault: its identifier or its three-letter key. It returns "" if there is none.
func OCIDRegion(ocid string) string {
	parts := strings.Split(ocid, ".") // ocid1.<type>.<realm>.<region>.<id>
	if len(parts) < 5 || !IsRegion(parts[3]) {
		return ""
	}
	return parts[3]
}

// fingerprintForm matches an MD5 sum as pairs of hexadecimal digits.
var fingerprintForm = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15}$`)

// IsFingerprint reports whether s has the form of the fingerprint of a key.
func IsFingerprint(s string) bool { return fingerprintForm.MatchString(s) }
