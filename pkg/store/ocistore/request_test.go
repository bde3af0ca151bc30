package ocistore_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
)

// sentRequest is the part of a request that the service sees, apart from its signature.
type sentRequest struct {
	Method, URL, Body string
	Length            int64
	Header            map[string]string
}

// recorder is a transport that records the requests and sends none.
type recorder struct{ requests []sentRequest }

// headers are those that change the meaning of a request.
var headers = []string{"User-Agent", "Accept", "Content-Length", "Content-Md5", "Content-Type", "If-Match", "If-None-Match", "Expect"}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	sent := sentRequest{Method: q.Method, URL: q.URL.String(), Length: q.ContentLength, Header: map[string]string{}}
	if q.Body != nil {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		sent.Body = string(body)
	}
	for _, name := range headers {
		sent.Header[name] = q.Header.Get(name)
	}
	if q.Method != http.MethodPut {
		delete(sent.Header, "Content-Type") // the SDK describes a body that is not there
	}
	r.requests = append(r.requests, sent)
	return nil, errors.New("not sent")
}

// TestRequestsOfTheSDK checks that the requests are those of the SDK's own operations,
// for each setting that changes the address of the service.
func TestRequestsOfTheSDK(t *testing.T) {
	const object, prefix = "events/2026/01/02/a b+c%2F?é#{x}.jsonl", "events/2026/01/ &=+"
	for _, variable := range []string{"", "OCI_DUAL_STACK_ENDPOINT_ENABLED", "OCI_REALM_SPECIFIC_SERVICE_ENDPOINT_TEMPLATE_ENABLED"} {
		t.Run(variable, func(t *testing.T) {
			if variable != "" {
				t.Setenv(variable, "true")
			}
			id := ociauthtest.Shared()
			config, err := id.WriteConfig(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			creds := credentials(t, config)
			var want, got recorder
			sdk, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(creds)
			if err != nil {
				t.Fatal(err)
			}
			if err := ociclient.Configure(&sdk.BaseClient, creds, ociclient.Options{Transport: &want}); err != nil {
				t.Fatal(err)
			}
			namespace, bucket, name, folder, fields, limit := "ns", "b", object, prefix, "name,size,etag,md5", 1000
			for _, operation := range []func(context.Context) error{
				func(ctx context.Context) error {
					_, err := sdk.GetObject(ctx, objectstorage.GetObjectRequest{NamespaceName: &namespace, BucketName: &bucket, ObjectName: &name})
					return err
				},
				func(ctx context.Context) error {
					_, err := sdk.HeadObject(ctx, objectstorage.HeadObjectRequest{NamespaceName: &namespace, BucketName: &bucket, ObjectName: &name})
					return err
				},
				func(ctx context.Context) error {
					_, err := sdk.PutObject(ctx, objectstorage.PutObjectRequest{NamespaceName: &namespace, BucketName: &bucket, ObjectName: &name,
						PutObjectBody: io.NopCloser(strings.NewReader("text")), ContentLength: common.Int64(4),
						ContentMD5: common.String(store.MD5([]byte("text"))), ContentType: common.String("application/x-ndjson"), IfMatch: common.String("etag")})
					return err
				},
				func(ctx context.Context) error {
					_, err := sdk.PutObject(ctx, objectstorage.PutObjectRequest{NamespaceName: &namespace, BucketName: &bucket, ObjectName: &name,
						PutObjectBody: io.NopCloser(strings.NewReader("")), ContentLength: common.Int64(0),
						ContentMD5: common.String(store.MD5(nil)), ContentType: common.String("application/x-ndjson"), IfNoneMatch: common.String("*")})
					return err
				},
				func(ctx context.Context) error {
					_, err := sdk.ListObjects(ctx, objectstorage.ListObjectsRequest{NamespaceName: &namespace, BucketName: &bucket, Prefix: &folder, Fields: &fields, Limit: &limit})
					return err
				},
				func(ctx context.Context) error {
					_, err := sdk.GetNamespace(ctx, objectstorage.GetNamespaceRequest{})
					return err
				},
			} {
				_, err := ociclient.Try(t.Context(), time.Minute, func(ctx context.Context) (struct{}, error) { return struct{}{}, operation(ctx) })
				if err == nil {
					t.Fatal("no error")
				}
			}

			open := func(namespace string) *ocistore.Store {
				s, err := ocistore.Open(creds, ocistore.Options{Namespace: namespace, Bucket: bucket, Transport: &got, Retry: retry.Policy{Attempts: 1}})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := open(namespace)
			_, _ = s.Get(t.Context(), object)
			_, _ = s.Stat(t.Context(), object)
			_, _ = s.Put(t.Context(), object, []byte("text"), store.IfMatch("etag"))
			_, _ = s.Put(t.Context(), object, nil, store.IfAbsent())
			for range s.List(t.Context(), prefix) {
			}
			_, _ = open("").Location(t.Context())
			if diff := cmp.Diff(want.requests, got.requests); diff != "" {
				t.Error(diff)
			}
		})
	}
}
