package ocistore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// target says which object a request is about: object is the name in the bucket, or the
// prefix in the bucket of a list.
type target struct{ namespace, bucket, object string }

// path returns the path of the object, or that of the bucket's objects without a name.
func (t target) path() string {
	path := "/n/" + t.namespace + "/b/" + t.bucket + "/o"
	if t.object != "" {
		path += "/" + t.object
	}
	return path
}

// request is a request of the service's API
// (https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/).
type request struct {
	method string
	// target is the object, or the objects of a bucket. Without a namespace the request
	// asks for the namespace.
	target target
	query  url.Values
	header map[string]string
	body   []byte // of a PUT
}

// send sends a request through the SDK's client. It does not use the SDK's operations,
// such as GetObject, because they take much CPU for each request: see SDK.md of package
// ociclient. The caller closes the body of the response.
func (s *Store) send(ctx context.Context, r request) (*http.Response, error) {
	path, domain := "/n", ""
	if r.target.namespace != "" {
		path, domain = r.target.path(), r.target.namespace+"."
	}
	h := common.MakeDefaultHTTPRequest(r.method, path)
	h.URL.RawQuery = r.query.Encode()
	for name, value := range r.header {
		h.Header.Set(name, value)
	}
	if len(r.body) > 0 {
		h.Header.Set("Content-Length", strconv.Itoa(len(r.body)))
		h.ContentLength = int64(len(r.body))
		h.Body = io.NopCloser(bytes.NewReader(r.body))
	}
	client := s.client // a copy, since several calls may run at once
	client.Host = strings.Replace(s.host, "{namespaceName+Dot}", domain, 1)
	return client.Call(ctx, &h)
}

// getJSON sends a request and decodes the JSON body of its response into v.
func (s *Store) getJSON(ctx context.Context, r request, v any) error {
	resp, err := s.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	return nil
}

// objectList is a part of the list of a bucket's objects.
type objectList struct {
	Objects []struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
		ETag string `json:"etag"`
		MD5  string `json:"md5"`
	} `json:"objects"`
	NextStartWith *string `json:"nextStartWith"` // nil at the end of the list
}
