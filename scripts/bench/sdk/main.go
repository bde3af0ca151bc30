// Command sdk is the command bare with the SDK in place of signed requests of its own: the same
// requests and nothing else. Its cost is the least that a collect with the SDK can have:
//
//	sdk API-URL OBJECTS-URL OCI-CONFIG-FILE OBJECT CONTENT-FILE
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/scripts/bench/requests"
)

func main() { requests.Main("sdk", newClient) }

// client makes calls for the objects of a bucket.
type client struct {
	objectstorage.ObjectStorageClient
	namespace, bucket string
}

// newClient returns a client for https://host/n/namespace/b/bucket/o/ with the keys of the
// profile DEFAULT of an OCI configuration file.
func newClient(objects, config string) (requests.Client, error) {
	keys, err := common.ConfigurationProviderFromFile(config, "")
	if err != nil {
		return nil, err
	}
	c := new(client)
	if c.ObjectStorageClient, err = objectstorage.NewObjectStorageClientWithConfigurationProvider(keys); err != nil {
		return nil, err
	}
	host, path, _ := strings.Cut(objects, "/n/")
	c.namespace, path, _ = strings.Cut(path, "/b/")
	c.bucket, _, _ = strings.Cut(path, "/o/")
	c.Host = host
	retry := common.NoRetryPolicy()
	c.Configuration.RetryPolicy, c.Configuration.CircuitBreaker = &retry, nil
	return c, nil
}

func (c *client) Get(name string) (body []byte, etag string, err error) {
	resp, err := c.GetObject(context.Background(), objectstorage.GetObjectRequest{NamespaceName: &c.namespace, BucketName: &c.bucket, ObjectName: &name})
	if err != nil {
		return nil, "", err
	}
	defer resp.Content.Close()
	body, err = io.ReadAll(resp.Content)
	return body, *resp.ETag, err
}

func (c *client) Head(name string) error {
	_, err := c.HeadObject(context.Background(), objectstorage.HeadObjectRequest{NamespaceName: &c.namespace, BucketName: &c.bucket, ObjectName: &name})
	return err
}

func (c *client) Put(name string, body []byte, ifMatch string) error {
	sum := md5.Sum(body)
	r := objectstorage.PutObjectRequest{
		NamespaceName: &c.namespace, BucketName: &c.bucket, ObjectName: &name,
		ContentLength: common.Int64(int64(len(body))), ContentMD5: common.String(base64.StdEncoding.EncodeToString(sum[:])),
		PutObjectBody: io.NopCloser(bytes.NewReader(body)),
	}
	if ifMatch != "" {
		r.IfMatch = &ifMatch
	}
	_, err := c.PutObject(context.Background(), r)
	return err
}
