package ocistore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/store"
)

// Get implements [store.Reader]. If the content does not match its length or MD5,
// it reads the object again, as often as Options.Retry allows.
func (s *Store) Get(ctx context.Context, name string) (store.Object, error) {
	return callTarget(ctx, s, "get", name, func(ctx context.Context, t target) (store.Object, error) {
		return s.get(ctx, t, name)
	})
}

// get makes one attempt of Get.
func (s *Store) get(ctx context.Context, t target, name string) (store.Object, error) {
	resp, err := s.client.GetObject(ctx, objectstorage.GetObjectRequest{
		NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: t.object,
	})
	if err != nil {
		return store.Object{}, err
	}
	defer resp.Content.Close()
	size := deref(resp.ContentLength)
	if size > store.MaxObject {
		return store.Object{}, store.ErrTooLarge
	}
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // so large that it never grows
	// A body shorter than Content-Length is an error of net/http.
	if _, err := body.ReadFrom(io.LimitReader(resp.Content, store.MaxObject+1)); err != nil {
		return store.Object{}, fmt.Errorf("the response ended after %d of %d bytes: %w", body.Len(), size, err)
	}
	o := store.Object{Body: body.Bytes(), Attrs: store.Attrs{
		Name: name,
		Size: int64(body.Len()),
		ETag: store.ETag(deref(resp.ETag)),
		MD5:  store.MD5(body.Bytes()),
	}}
	switch {
	case o.Size > store.MaxObject:
		return store.Object{}, store.ErrTooLarge
	case resp.ContentMd5 != nil && *resp.ContentMd5 != o.MD5: // nil for a multipart upload
		return store.Object{}, fmt.Errorf("%w in transit or in the bucket: its MD5 is %s, want %s; if this lasts, restore a previous version of the object", store.ErrDamaged, o.MD5, *resp.ContentMd5)
	case o.ETag == "":
		return store.Object{}, errNoETag
	}
	return o, nil
}

// Stat implements [store.Reader]. It sends a HEAD, and after a 404 a GET: only the
// response to GET has a body, which says whether the object or the bucket is
// missing.
func (s *Store) Stat(ctx context.Context, name string) (store.Attrs, error) {
	return callTarget(ctx, s, "stat", name, func(ctx context.Context, t target) (store.Attrs, error) {
		resp, err := s.client.HeadObject(ctx, objectstorage.HeadObjectRequest{
			NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: t.object,
		})
		if e, ok := errors.AsType[*ociclient.Error](err); ok && e.Status == http.StatusNotFound {
			o, err := s.get(ctx, t, name)
			return o.Attrs, err
		}
		if err != nil {
			return store.Attrs{}, err
		}
		a := store.Attrs{
			Name: name,
			Size: deref(resp.ContentLength),
			ETag: store.ETag(deref(resp.ETag)),
			MD5:  deref(resp.ContentMd5),
		}
		if a.ETag == "" {
			return store.Attrs{}, errNoETag
		}
		return a, nil
	})
}

// List implements [store.Reader]. One request lists up to 1000 objects, the
// service's maximum
// (https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Object/ListObjects).
// It is an error if the next page does not begin after the start of the last one.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		fields, limit := "name,size,etag,md5", 1000
		var start *string
		for {
			list, err := callTarget(ctx, s, "list", prefix, func(ctx context.Context, t target) (objectstorage.ListObjects, error) {
				resp, err := s.client.ListObjects(ctx, objectstorage.ListObjectsRequest{
					NamespaceName: t.namespace, BucketName: t.bucket, Prefix: t.object,
					Start: start, Fields: &fields, Limit: &limit,
				})
				return resp.ListObjects, err
			})
			if err != nil {
				yield(store.Attrs{}, err)
				return
			}
			for _, o := range list.Objects {
				if ctx.Err() != nil {
					yield(store.Attrs{}, fmt.Errorf("%s: %w", store.ListCall(prefix), context.Cause(ctx)))
					return
				}
				name := strings.TrimPrefix(deref(o.Name), s.inBucket(""))
				if name == "" { // the console makes such an object for a folder
					continue
				}
				a := store.Attrs{
					Name: name,
					Size: deref(o.Size),
					ETag: store.ETag(deref(o.Etag)),
					MD5:  deref(o.Md5),
				}
				if !yield(a, nil) {
					return
				}
			}
			next := list.NextStartWith
			if next == nil {
				return
			}
			if *next <= deref(start) { // the list would never end
				yield(store.Attrs{}, &Error{Operation: "list", Object: prefix, Store: s.String(), Region: s.region, Attempts: 1, creds: s.creds,
					err: fmt.Errorf("the service repeats itself: the next page begins with %.40q, this one with %.40q; run the command again, and check the endpoint and the proxy", *next, deref(start))})
				return
			}
			start = next
		}
	}
}

// Put implements [store.Writer]. It writes the object with one request, which
// includes the MD5. If the response of an attempt is lost, the attempt may have
// taken effect. The next attempt of a conditional write then fails with
// ErrPrecondition, and the error says that an earlier attempt may have succeeded.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if err := store.CheckPut(ctx, name, body, cond); err != nil {
		return "", err
	}
	sum, length, contentType := store.MD5(body), int64(len(body)), contentTypeOf(name)
	var ifMatch, ifNoneMatch *string
	if etag, ok := cond.Match(); ok {
		ifMatch = common.String(string(etag))
	}
	if cond.Absent() {
		ifNoneMatch = common.String("*")
	}
	return callTarget(ctx, s, "put", name, func(ctx context.Context, t target) (store.ETag, error) {
		resp, err := s.client.PutObject(ctx, objectstorage.PutObjectRequest{
			NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: t.object,
			PutObjectBody: io.NopCloser(bytes.NewReader(body)),
			ContentLength: &length, ContentMD5: &sum, ContentType: &contentType,
			IfMatch: ifMatch, IfNoneMatch: ifNoneMatch,
		})
		if err != nil {
			return "", err
		}
		if resp.ETag == nil {
			return "", errNoETag
		}
		return store.ETag(*resp.ETag), nil
	})
}

var errNoETag = errors.New("the response has no ETag: check the endpoint and the proxy")

// contentTypeOf returns the media type of an object by the end of its name.
func contentTypeOf(name string) string {
	switch {
	case strings.HasSuffix(name, ".json"):
		return "application/json"
	case strings.HasSuffix(name, ".jsonl"):
		return "application/x-ndjson"
	}
	return "application/octet-stream"
}
