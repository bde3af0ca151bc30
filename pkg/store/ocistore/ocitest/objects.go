package ocitest

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// bucket holds the objects of a bucket by name.
type bucket map[string]object

type object struct {
	body        []byte
	etag, md5   string
	contentType string
	modified    time.Time
	metadata    map[string]string // by the names of its headers, which begin with Opc-Meta-
}

func newETag() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func contentMD5(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (o object) header() map[string]string {
	h := map[string]string{
		"Etag":          o.etag,
		"Content-Md5":   o.md5,
		"Content-Type":  o.contentType,
		"Last-Modified": o.modified.UTC().Format(http.TimeFormat),
	}
	maps.Copy(h, o.metadata)
	return h
}

// metadata returns the headers of a request that set the metadata of an object.
func metadata(h http.Header) map[string]string {
	m := map[string]string{}
	for name := range h {
		if strings.HasPrefix(name, "Opc-Meta-") {
			m[name] = h.Get(name)
		}
	}
	return m
}

// serve responds to a request whose signature is valid.
func (s *Service) serve(r *http.Request, body []byte) ociauthtest.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.EscapedPath() == "/n" || r.URL.EscapedPath() == "/n/" {
		if r.Method != http.MethodGet || r.URL.RawQuery != "" {
			return ociauthtest.ErrorResponse(http.StatusMethodNotAllowed, "MethodNotAllowed", "not emulated")
		}
		return ociauthtest.JSON(http.StatusOK, s.Namespace)
	}
	// /n/{namespace}/b/{bucket}/o[/{object}]. The slashes of an object's name may
	// be escaped or not.
	parts := strings.SplitN(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/", 6)
	if len(parts) < 5 || parts[0] != "n" || parts[2] != "b" || parts[4] != "o" {
		return ociauthtest.ErrorResponse(http.StatusNotFound, "NotFound", "no such route")
	}
	if parts[1] != s.Namespace {
		return ociauthtest.ErrorResponse(http.StatusNotFound, "NamespaceNotFound",
			"You do not have authorization to perform this request, or the requested resource could not be found.")
	}
	b, ok := s.buckets[parts[3]]
	if !ok {
		return ociauthtest.ErrorResponse(http.StatusNotFound, "BucketNotFound", fmt.Sprintf(
			"Either the bucket named '%s' does not exist in the namespace '%s' or you are not authorized to access it", parts[3], parts[1]))
	}
	if len(parts) == 5 {
		if r.Method != http.MethodGet {
			return ociauthtest.ErrorResponse(http.StatusMethodNotAllowed, "MethodNotAllowed", "not emulated")
		}
		return b.list(r.URL.Query())
	}
	name, err := url.PathUnescape(parts[5])
	if err != nil || name == "" || len(name) > 1024 || strings.ContainsAny(name, "\x00\r\n") {
		return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidObjectName", "The object name is not valid.")
	}
	if r.URL.RawQuery != "" {
		return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidParameter", "unknown query parameter")
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return b.get(name, r)
	case http.MethodPut:
		return b.put(name, r, body, s.Now())
	}
	return ociauthtest.ErrorResponse(http.StatusMethodNotAllowed, "MethodNotAllowed", "not emulated")
}

func notFound(name string) ociauthtest.Response {
	return ociauthtest.ErrorResponse(http.StatusNotFound, "ObjectNotFound", fmt.Sprintf("The object '%s' was not found", name))
}

func (b bucket) get(name string, r *http.Request) ociauthtest.Response {
	for _, h := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since"} {
		if r.Header.Get(h) != "" {
			return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidParameter", h+" is not emulated")
		}
	}
	o, ok := b[name]
	if !ok {
		return notFound(name)
	}
	return ociauthtest.Response{Status: http.StatusOK, Header: o.header(), Body: o.body}
}

func (b bucket) put(name string, r *http.Request, body []byte, now time.Time) ociauthtest.Response {
	ifMatch, ifNone := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	o, exists := b[name]
	switch sum := r.Header.Get("Content-Md5"); {
	case r.ContentLength < 0:
		return ociauthtest.ErrorResponse(http.StatusLengthRequired, "MissingContentLength", "The Content-Length header is required.")
	case sum != "" && sum != contentMD5(body):
		return ociauthtest.ErrorResponse(http.StatusBadRequest, "UnmatchedContentMD5", "The computed MD5 of the request body does not match the Content-MD5 header.")
	case ifNone != "" && ifNone != "*", ifNone != "" && ifMatch != "":
		return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidParameter", "If-None-Match must be * and cannot be combined with If-Match")
	case ifNone == "*" && exists:
		return ociauthtest.ErrorResponse(http.StatusPreconditionFailed, "IfNoneMatchFailed", "The If-None-Match header is '*' but there is an existing entity.")
	case ifMatch != "" && (!exists || ifMatch != "*" && ifMatch != o.etag):
		return ociauthtest.ErrorResponse(http.StatusPreconditionFailed, "IfMatchFailed", "The If-Match header does not match the ETag of the existing entity.")
	}
	b[name] = object{body: body, etag: newETag(), md5: contentMD5(body), contentType: r.Header.Get("Content-Type"), modified: now,
		metadata: metadata(r.Header)}
	return ociauthtest.Response{Status: http.StatusOK, Header: map[string]string{
		"Etag":            b[name].etag,
		"Opc-Content-Md5": b[name].md5,
		"Last-Modified":   now.UTC().Format(http.TimeFormat),
	}}
}

// Put stores an object directly, as if another program had written it.
func (s *Service) Put(bucketName, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucketName][name] = object{body: slices.Clone(body), etag: newETag(), md5: contentMD5(body),
		contentType: "application/octet-stream", modified: s.Now()}
}

// Objects returns the content of all objects of a bucket by name.
func (s *Service) Objects(bucketName string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]byte{}
	for name, o := range s.buckets[bucketName] {
		all[name] = slices.Clone(o.body)
	}
	return all
}
