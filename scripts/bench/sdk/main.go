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
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sdk:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%d arguments, want 5", len(args))
	}
	api, objects, config, object, file := args[0], args[1], args[2], args[3], args[4]
	c, err := newClient(objects, config)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := callAPI(api); err != nil {
		return err
	}
	const document, report = "metadata/last_seen.json", "metadata/last_run.json"
	documentBody, documentETag, err := c.get(document)
	if err != nil {
		return err
	}
	reportBody, reportETag, err := c.get(report)
	if err != nil {
		return err
	}
	if err := c.put(document, documentBody, &documentETag); err != nil {
		return err
	}
	if err := c.head(object); err != nil {
		return err
	}
	if err := c.put(object, content, nil); err != nil {
		return err
	}
	return c.put(report, reportBody, &reportETag)
}

// callAPI reads a response of the events API.
func callAPI(url string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "sdk/1 (nobody@example.org)")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

// client makes calls for the objects of a bucket.
type client struct {
	objectstorage.ObjectStorageClient
	namespace, bucket string
}

// newClient returns a client for https://host/n/namespace/b/bucket/o/ with the keys of the
// profile DEFAULT of an OCI configuration file.
func newClient(objects, config string) (*client, error) {
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

func (c *client) get(name string) (body []byte, etag string, err error) {
	resp, err := c.GetObject(context.Background(), objectstorage.GetObjectRequest{NamespaceName: &c.namespace, BucketName: &c.bucket, ObjectName: &name})
	if err != nil {
		return nil, "", err
	}
	defer resp.Content.Close()
	body, err = io.ReadAll(resp.Content)
	return body, *resp.ETag, err
}

func (c *client) head(name string) error {
	_, err := c.HeadObject(context.Background(), objectstorage.HeadObjectRequest{NamespaceName: &c.namespace, BucketName: &c.bucket, ObjectName: &name})
	return err
}

// put writes an object. With ifMatch it replaces the object with that ETag.
func (c *client) put(name string, body []byte, ifMatch *string) error {
	sum := md5.Sum(body)
	_, err := c.PutObject(context.Background(), objectstorage.PutObjectRequest{
		NamespaceName: &c.namespace, BucketName: &c.bucket, ObjectName: &name, IfMatch: ifMatch,
		ContentLength: common.Int64(int64(len(body))), ContentMD5: common.String(base64.StdEncoding.EncodeToString(sum[:])),
		PutObjectBody: io.NopCloser(bytes.NewReader(body)),
	})
	return err
}
