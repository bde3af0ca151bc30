package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// StoreKind is a kind of store.
type StoreKind string

// The kinds of stores.
const (
	DirStore StoreKind = "file"
	OCIStore StoreKind = "oci"
)

// StoreURL says where the archive is.
type StoreURL struct {
	Kind StoreKind
	Path string // DirStore: the absolute path of its folder
	// OCIStore: the bucket, and its namespace; an empty Namespace is the
	// tenancy's own, to be looked up.
	Namespace, Bucket string
}

// String returns the URL as ParseStore takes it.
func (s StoreURL) String() string {
	if s.Kind == OCIStore {
		return "oci://" + s.Namespace + "/" + s.Bucket
	}
	return (&url.URL{Scheme: "file", Path: s.Path}).String()
}

var (
	// Object Storage's own rule for a bucket's name; a namespace is generated
	// by the service, or was the tenancy's name in old tenancies.
	bucketName    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,256}$`)
	namespaceName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// ParseStore reads oci://namespace/bucket, oci:///bucket, file:///folder or a
// plain path, which is taken from the working folder.
func ParseStore(text string) (StoreURL, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	switch {
	case !isURL || scheme == "file":
		path, err := localPath(text)
		return StoreURL{Kind: DirStore, Path: path}, err
	case scheme != "oci":
		return StoreURL{}, fmt.Errorf("no store is called %q: give oci://, file:// or a path", scheme)
	}
	namespace, bucket, ok := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	switch {
	case !ok:
		return StoreURL{}, errors.New("it names no bucket")
	case !bucketName.MatchString(bucket):
		return StoreURL{}, errors.New("after the namespace goes a bucket's name of letters, digits, '-', '_' and '.', and no folder")
	case namespace != "" && !namespaceName.MatchString(namespace):
		return StoreURL{}, errors.New("a namespace is made of letters, digits, '-' and '_'")
	}
	return StoreURL{Kind: OCIStore, Namespace: namespace, Bucket: bucket}, nil
}

// APIURL says where responses come from: exactly one of URL and Path is there.
type APIURL struct {
	URL      string // http or https; the first only if Loopback
	Path     string // absolute path of a saved response
	Loopback bool   // URL's host is this machine
}

// ParseAPIURL reads an http or https URL, a file:// URL or a plain path.
func ParseAPIURL(text string) (APIURL, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL || scheme == "file" {
		path, err := localPath(text)
		return APIURL{Path: path}, err
	}
	u, err := parseHTTP(text)
	if err != nil {
		return APIURL{}, err
	}
	return APIURL{URL: u.String(), Loopback: isLoopback(u.Hostname())}, nil
}

// parseEndpoint reads a scheme and host, all that the SDK takes.
func parseEndpoint(text string) (string, error) {
	u, err := parseHTTP(text)
	if err != nil {
		return "", err
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", errors.New("an endpoint is a scheme and a host, without a path")
	}
	return u.Scheme + "://" + u.Host, nil
}

// parseHTTP reads an absolute http or https URL. Its errors do not repeat the
// text, which might hold a password.
func parseHTTP(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, errors.New("not a URL with a host")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("cannot speak %q: give https://", u.Scheme)
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("a user, password or fragment has no place here")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("plain http is for this machine alone: give https://")
	}
	return u, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// localPath reads a path or a file:// URL of this machine, and makes it absolute.
func localPath(text string) (string, error) {
	if strings.HasPrefix(text, "file://") {
		u, err := url.Parse(text)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" || u.Fragment != "" {
			return "", errors.New("a file URL has three slashes and an absolute path")
		}
		text = u.Path
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("a path holds no NUL")
	}
	return filepath.Abs(text)
}
