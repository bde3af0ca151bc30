package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"polisen-events-collector/pkg/address"
)

// StoreKind is a kind of store.
type StoreKind string

// The kinds of stores.
const (
	DirStore StoreKind = "file"
	OCIStore StoreKind = "oci"
)

// StoreURL is the address of an archive.
type StoreURL struct {
	Kind StoreKind
	Path string // DirStore: absolute path of the folder
	// OCIStore: the bucket and its namespace. An empty Namespace means that of the
	// tenancy, which the store looks up. The names of all objects begin with Prefix and a
	// slash, unless Prefix is empty.
	Namespace, Bucket, Prefix string
}

// String returns the URL in a form that --store accepts.
func (s StoreURL) String() string {
	if s.Kind == OCIStore {
		text := "oci://" + s.Namespace + "/" + s.Bucket
		if s.Prefix != "" {
			text += "/" + s.Prefix
		}
		return text
	}
	return address.FileURL(s.Path)
}

// bucketName has the characters that Object Storage allows in a bucket's name
// (https://docs.oracle.com/iaas/Content/Object/Tasks/managingbuckets.htm).
// namespaceName is for namespaces, which the service generates; in old tenancies
// they are the tenancy's name. The expressions do not limit the length, since a
// counted repetition would add a millisecond to each start of the program.
var (
	bucketName    = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	namespaceName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

const (
	maxBucketName    = 256
	maxNamespaceName = 128
	maxPrefix        = 256
)

// oneSlash matches a misspelt URL, such as oci:/bucket, which would otherwise pass
// as a path.
var (
	oneSlash    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]+:/([^/]|$)`)
	errOneSlash = errors.New("a URL has two slashes after its scheme; write a path that starts like this as ./PATH")
)

// toolAddress matches an address in the form of another program, such as s3:bucket.
var toolAddress = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

var (
	errToolAddress = errors.New("the value is no path and no address that this program knows: write a bucket as oci://namespace/bucket or oci:///bucket, and a folder as ./PATH or from / on")
	errBucketOCID  = errors.New("the OCID of a bucket does not replace its name: write oci:///bucket or oci://namespace/bucket")
	errBareWord    = errors.New("the value may be a folder or a bucket: write a folder as ./PATH or from / on, and a bucket as oci:///bucket or oci://namespace/bucket")
)

// parseStore parses oci://namespace/bucket, oci:///bucket, both also with /prefix at
// the end, file:///folder or a path that begins like one ([address.IsExplicit]), which may be relative to the
// working folder. A bare word is an error, since it may be meant as a bucket.
func parseStore(text string) (StoreURL, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	switch {
	case oneSlash.MatchString(text):
		return StoreURL{}, errOneSlash
	case strings.HasPrefix(text, "ocid1."):
		return StoreURL{}, errBucketOCID
	case !isURL && toolAddress.MatchString(text):
		return StoreURL{}, errToolAddress
	case !isURL && !address.IsExplicit(text) && text != "." && text != "..":
		return StoreURL{}, errBareWord
	case !isURL || scheme == "file":
		path, err := localPath(text)
		return StoreURL{Kind: DirStore, Path: path}, err
	case scheme != "oci":
		return StoreURL{}, fmt.Errorf("unsupported scheme%s: use oci://, file:// or a path", address.Quoted(scheme))
	}
	namespace, bucket, ok := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	switch {
	case !ok:
		return StoreURL{}, errors.New("the URL has no bucket")
	case address.MayBeSecret(text):
		return StoreURL{}, errors.New("the URL holds what looks like a key, a token or a password")
	}
	bucket, prefix, hasPrefix := strings.Cut(bucket, "/")
	if hasPrefix && !isPrefix(prefix) {
		return StoreURL{}, fmt.Errorf("a prefix has at most %d letters, digits, '-', '_' and '.', in parts between single slashes, none of which begins with a dot", maxPrefix)
	}
	store, err := bucketURL(namespace, bucket)
	store.Prefix = prefix
	return store, err
}

// bucketURL returns the URL of a bucket without a prefix, if the names are valid.
func bucketURL(namespace, bucket string) (StoreURL, error) {
	switch {
	case len(bucket) > maxBucketName || !bucketName.MatchString(bucket):
		return StoreURL{}, fmt.Errorf("a bucket name has 1 to %d letters, digits, '-', '_' and '.', and no folder follows it", maxBucketName)
	case len(namespace) > maxNamespaceName || namespace != "" && !namespaceName.MatchString(namespace):
		return StoreURL{}, fmt.Errorf("a namespace has at most %d letters, digits, '-' and '_'", maxNamespaceName)
	}
	return StoreURL{Kind: OCIStore, Namespace: namespace, Bucket: bucket}, nil
}

// isPrefix reports whether text can begin the names of objects, before a slash. Its parts
// have the characters of a bucket's name.
func isPrefix(text string) bool {
	for part := range strings.SplitSeq(text, "/") {
		if !bucketName.MatchString(part) || part[0] == '.' {
			return false
		}
	}
	return len(text) <= maxPrefix
}

// APIURL is the address of the events API or of a saved response: either URL or
// Path is set.
type APIURL struct {
	URL      string // https, or http if Loopback
	Path     string // absolute path of a saved response
	Loopback bool   // the host of URL is this machine
}

var (
	errNoScheme = errors.New("no such file; a URL begins with https://")
	errPolisen  = errors.New("did you mean https://polisen.se/api/events? a URL begins with https://")
)

// hostAndMore matches a URL without its scheme, polisenHost one of the police.
var (
	hostAndMore = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?([/?]|$)`)
	polisenHost = regexp.MustCompile(`(?i)^(www\.)?polisen\.se(:[0-9]+)?([/?]|$)`)
)

// lacksScheme reports whether text is a URL of the police without its scheme.
func lacksScheme(text string) bool { return polisenHost.MatchString(text) }

// encodeQuery encodes the characters of a query that a URL cannot hold, such as spaces
// and letters beyond ASCII. It leaves others, and encoded ones, as they are.
func encodeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		c := query[i]
		encoded := c == '%' && i+2 < len(query) && isHex(query[i+1]) && isHex(query[i+2])
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"%<>\\^`{|}", rune(c)) || encoded {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

// parseAPIURL parses a URL that [address.ParseHTTP] accepts, a file:// URL or a
// path. It encodes the query of a URL.
func parseAPIURL(text string) (APIURL, error) {
	if oneSlash.MatchString(text) {
		return APIURL{}, errOneSlash
	}
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL || scheme == "file" {
		path, err := localPath(text)
		if err != nil && lacksScheme(text) {
			err = errPolisen
		} else if err != nil && strings.ContainsAny(text, ":?") && hostAndMore.MatchString(text) {
			err = errNoScheme
		}
		return APIURL{Path: path}, err
	}
	u, err := address.ParseHTTP(text)
	if err != nil {
		return APIURL{}, err
	}
	u.RawQuery = encodeQuery(u.RawQuery)
	return APIURL{URL: u.String(), Loopback: address.IsLoopback(u.Hostname())}, nil
}

// parseEndpoint parses the URL of a service: a scheme and a host, since the SDK
// accepts nothing more.
func parseEndpoint(text string) (string, error) {
	u, err := address.ParseHTTP(text)
	if err != nil {
		return "", err
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", errors.New("an endpoint is a scheme and a host, without a path")
	}
	return u.Scheme + "://" + u.Host, nil
}

// localPath parses a path that [address.CheckPath] accepts, or a file:// URL, and
// makes the path absolute.
func localPath(text string) (string, error) {
	if strings.HasPrefix(text, "file://") {
		u, err := url.Parse(text)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" || u.Fragment != "" {
			return "", errors.New("a file URL has three slashes and an absolute path")
		}
		text = u.Path
	}
	if strings.HasPrefix(text, "ocid1.") {
		return "", errors.New("an OCID is not a path")
	}
	if err := address.CheckPath(text); err != nil {
		return "", err
	}
	return filepath.Abs(text)
}
