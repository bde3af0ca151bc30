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

// maxObject bounds what Get reads. It has to hold the largest document there
// can be: one whose pending object holds a rejected item as large as a response
// may be (32 MiB), which escapes make twice as large, and other lines beside it.
const maxObject = 96 << 20

// Get returns the object. Its length (by net/http) and MD5 are checked, and a
// damaged copy is asked for again. An object larger than 96 MiB is an error.
func (s *Store) Get(ctx context.Context, name string) (store.Object, error) {
	return on(ctx, s, "get", name, func(ctx context.Context, t target) (store.Object, error) {
		return s.get(ctx, t, name)
	})
}

func (s *Store) get(ctx context.Context, t target, name string) (store.Object, error) {
	resp, err := s.client.GetObject(ctx, objectstorage.GetObjectRequest{
		NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: &name,
	})
	if err != nil {
		return store.Object{}, err
	}
	defer resp.Content.Close()
	size := value(resp.ContentLength)
	if size > maxObject {
		return store.Object{}, errTooLarge
	}
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // no growing
	if _, err := body.ReadFrom(io.LimitReader(resp.Content, maxObject+1)); err != nil {
		return store.Object{}, fmt.Errorf("after %d of %d bytes: %w", body.Len(), size, err)
	}
	o := store.Object{Body: body.Bytes(), Attrs: store.Attrs{
		Name: name,
		Size: int64(body.Len()),
		ETag: store.ETag(value(resp.ETag)),
		MD5:  store.MD5(body.Bytes()),
	}}
	switch {
	case o.Size > maxObject:
		return store.Object{}, errTooLarge
	case resp.ContentMd5 != nil && *resp.ContentMd5 != o.MD5: // absent if uploaded in parts
		return store.Object{}, fmt.Errorf("%w on the way or in the store: MD5 %s, expected %s", store.ErrDamaged, o.MD5, *resp.ContentMd5)
	case o.ETag == "":
		return store.Object{}, errNoETag
	}
	return o, nil
}

// Stat returns the object's attributes. The answer to HEAD has no body and so
// cannot tell a missing object from a missing bucket: that takes a GET more.
func (s *Store) Stat(ctx context.Context, name string) (store.Attrs, error) {
	return on(ctx, s, "stat", name, func(ctx context.Context, t target) (store.Attrs, error) {
		resp, err := s.client.HeadObject(ctx, objectstorage.HeadObjectRequest{
			NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: &name,
		})
		if answer, ok := errors.AsType[*ociclient.Error](err); ok && answer.Status == http.StatusNotFound {
			o, err := s.get(ctx, t, name)
			return o.Attrs, err
		}
		if err != nil {
			return store.Attrs{}, err
		}
		a := store.Attrs{
			Name: name,
			Size: value(resp.ContentLength),
			ETag: store.ETag(value(resp.ETag)),
			MD5:  value(resp.ContentMd5),
		}
		if a.ETag == "" {
			return store.Attrs{}, errNoETag
		}
		return a, nil
	})
}

// List yields the objects, a page of up to 1000 at a time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		fields, limit := "name,size,etag,md5", 1000
		var start *string
		for {
			page, err := on(ctx, s, "list", prefix, func(ctx context.Context, t target) (objectstorage.ListObjects, error) {
				resp, err := s.client.ListObjects(ctx, objectstorage.ListObjectsRequest{
					NamespaceName: t.namespace, BucketName: t.bucket, Prefix: &prefix,
					Start: start, Fields: &fields, Limit: &limit,
				})
				return resp.ListObjects, err
			})
			if err != nil {
				yield(store.Attrs{}, err)
				return
			}
			for _, o := range page.Objects {
				if ctx.Err() != nil {
					yield(store.Attrs{}, fmt.Errorf("list %s: %w", prefix, context.Cause(ctx)))
					return
				}
				a := store.Attrs{
					Name: value(o.Name),
					Size: value(o.Size),
					ETag: store.ETag(value(o.Etag)),
					MD5:  value(o.Md5),
				}
				if !yield(a, nil) {
					return
				}
			}
			if page.NextStartWith == nil {
				return
			}
			start = page.NextStartWith
		}
	}
}

// Put writes the object in one request, guarded by its MD5. A try whose answer
// is lost may have taken effect; the next one then meets its own work, and
// ErrPrecondition is all that can be said. The error's text tells of it.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if !cond.Valid() {
		return "", fmt.Errorf("put %s: %w: no condition", name, store.ErrInvalid)
	}
	sum, length, contentType := store.MD5(body), int64(len(body)), contentType(name)
	var ifMatch, ifNoneMatch *string
	if etag, ok := cond.Match(); ok {
		ifMatch = common.String(string(etag))
	}
	if cond.Absent() {
		ifNoneMatch = common.String("*")
	}
	return on(ctx, s, "put", name, func(ctx context.Context, t target) (store.ETag, error) {
		resp, err := s.client.PutObject(ctx, objectstorage.PutObjectRequest{
			NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: &name,
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

// Delete removes the object. As with Put, a try whose answer is lost makes the
// next one report ErrNotExist.
func (s *Store) Delete(ctx context.Context, name string, etag store.ETag) error {
	if etag == "" {
		return fmt.Errorf("delete %s: %w: no ETag", name, store.ErrInvalid)
	}
	match := string(etag)
	_, err := on(ctx, s, "delete", name, func(ctx context.Context, t target) (struct{}, error) {
		_, err := s.client.DeleteObject(ctx, objectstorage.DeleteObjectRequest{
			NamespaceName: t.namespace, BucketName: t.bucket, ObjectName: &name, IfMatch: &match,
		})
		return struct{}{}, err
	})
	return err
}

var (
	errTooLarge = fmt.Errorf("it is larger than %d MiB", maxObject>>20)
	errNoETag   = errors.New("the answer has no ETag")
)

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, ".json"):
		return "application/json"
	case strings.HasSuffix(name, ".jsonl"):
		return "application/x-ndjson"
	}
	return "application/octet-stream"
}
