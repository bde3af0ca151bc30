package ocitest

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

type bucket map[string]object

type object struct {
	body        []byte
	etag, md5   string
	contentType string
	modified    time.Time
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
	return map[string]string{
		"Etag":          o.etag,
		"Content-Md5":   o.md5,
		"Content-Type":  o.contentType,
		"Last-Modified": o.modified.UTC().Format(http.TimeFormat),
	}
}

// serve carries out a request of a known caller.
func (s *Service) serve(r *http.Request, body []byte) ociauthtest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.EscapedPath() == "/n" || r.URL.EscapedPath() == "/n/" {
		if r.Method != http.MethodGet || r.URL.RawQuery != "" {
			return ociauthtest.Failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "not emulated")
		}
		return ociauthtest.JSON(http.StatusOK, s.Namespace)
	}
	// /n/{namespace}/b/{bucket}/o[/{object}]; an object's name may hold
	// slashes, as they are or escaped.
	part := strings.SplitN(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/", 6)
	if len(part) < 5 || part[0] != "n" || part[2] != "b" || part[4] != "o" {
		return ociauthtest.Failure(http.StatusNotFound, "NotFound", "no such route")
	}
	if part[1] != s.Namespace {
		return ociauthtest.Failure(http.StatusNotFound, "NamespaceNotFound",
			"You do not have authorization to perform this request, or the requested resource could not be found.")
	}
	b, ok := s.buckets[part[3]]
	if !ok {
		return ociauthtest.Failure(http.StatusNotFound, "BucketNotFound", fmt.Sprintf(
			"Either the bucket named '%s' does not exist in the namespace '%s' or you are not authorized to access it", part[3], part[1]))
	}
	if len(part) == 5 {
		if r.Method != http.MethodGet {
			return ociauthtest.Failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "not emulated")
		}
		return b.list(r.URL.Query())
	}
	name, err := url.PathUnescape(part[5])
	if err != nil || name == "" || len(name) > 1024 || strings.ContainsAny(name, "\x00\r\n") {
		return ociauthtest.Failure(http.StatusBadRequest, "InvalidObjectName", "The object name is not valid.")
	}
	if r.URL.RawQuery != "" {
		return ociauthtest.Failure(http.StatusBadRequest, "InvalidParameter", "unknown query parameter")
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return b.get(name, r)
	case http.MethodPut:
		return b.put(name, r, body, s.Now())
	case http.MethodDelete:
		return b.remove(name, r)
	}
	return ociauthtest.Failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "not emulated")
}

func notFound(name string) ociauthtest.Answer {
	return ociauthtest.Failure(http.StatusNotFound, "ObjectNotFound", fmt.Sprintf("The object '%s' was not found", name))
}

func (b bucket) get(name string, r *http.Request) ociauthtest.Answer {
	for _, h := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since"} {
		if r.Header.Get(h) != "" {
			return ociauthtest.Failure(http.StatusBadRequest, "InvalidParameter", h+" is not emulated")
		}
	}
	o, ok := b[name]
	if !ok {
		return notFound(name)
	}
	return ociauthtest.Answer{Status: http.StatusOK, Header: o.header(), Body: o.body}
}

func (b bucket) put(name string, r *http.Request, body []byte, now time.Time) ociauthtest.Answer {
	ifMatch, ifNone := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	o, exists := b[name]
	switch sum := r.Header.Get("Content-Md5"); {
	case r.ContentLength < 0:
		return ociauthtest.Failure(http.StatusLengthRequired, "MissingContentLength", "The Content-Length header is required.")
	case sum != "" && sum != contentMD5(body):
		return ociauthtest.Failure(http.StatusBadRequest, "UnmatchedContentMD5", "The computed MD5 of the request body does not match the Content-MD5 header.")
	case ifNone != "" && ifNone != "*", ifNone != "" && ifMatch != "":
		return ociauthtest.Failure(http.StatusBadRequest, "InvalidParameter", "If-None-Match must be *, and alone")
	case ifNone == "*" && exists:
		return ociauthtest.Failure(http.StatusPreconditionFailed, "IfNoneMatchFailed", "The If-None-Match header is '*' but there is an existing entity.")
	case ifMatch != "" && (!exists || ifMatch != "*" && ifMatch != o.etag):
		return ociauthtest.Failure(http.StatusPreconditionFailed, "IfMatchFailed", "The If-Match header does not match the ETag of the existing entity.")
	}
	b[name] = object{body: body, etag: newETag(), md5: contentMD5(body), contentType: r.Header.Get("Content-Type"), modified: now}
	return ociauthtest.Answer{Status: http.StatusOK, Header: map[string]string{
		"Etag":            b[name].etag,
		"Opc-Content-Md5": b[name].md5,
		"Last-Modified":   now.UTC().Format(http.TimeFormat),
	}}
}

func (b bucket) remove(name string, r *http.Request) ociauthtest.Answer {
	o, ok := b[name]
	switch ifMatch := r.Header.Get("If-Match"); {
	case !ok:
		return notFound(name)
	case ifMatch != "" && ifMatch != "*" && ifMatch != o.etag:
		return ociauthtest.Failure(http.StatusPreconditionFailed, "IfMatchFailed", "The If-Match header does not match the ETag of the existing entity.")
	}
	delete(b, name)
	return ociauthtest.Answer{Status: http.StatusNoContent}
}

// Put stores an object from outside, as another program would.
func (s *Service) Put(bucketName, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucketName][name] = object{body: slices.Clone(body), etag: newETag(), md5: contentMD5(body),
		contentType: "application/octet-stream", modified: s.Now()}
}

// Objects returns the content of all objects of a bucket.
func (s *Service) Objects(bucketName string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]byte{}
	for name, o := range s.buckets[bucketName] {
		all[name] = slices.Clone(o.body)
	}
	return all
}
