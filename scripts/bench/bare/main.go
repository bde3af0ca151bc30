// Command bare makes the HTTP requests of a collect that stores one object, and nothing
// else. Its cost is the bound for the cost of collect:
//
//	bare API-URL OBJECTS-URL OCI-CONFIG-FILE OBJECT CONTENT-FILE
//
// It calls the API, reads the document and the last report, asks for the object, and
// writes the document, the object and the report. It signs the requests to Object Storage
// (https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm) with a key that it
// parses once.
package main

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"polisen-events-collector/scripts/bench/requests"
)

func main() { requests.Main("bare", newClient) }

// client signs and sends requests.
type client struct {
	objects string // URL before the names of objects
	http    http.Client
	key     *rsa.PrivateKey
	keyID   string
}

// newClient reads the key that the profile DEFAULT of an OCI configuration file names.
func newClient(objects, config string) (requests.Client, error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	entries := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		entries[name] = value
	}
	key, err := os.ReadFile(entries["key_file"])
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", entries["key_file"])
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	c := &client{objects: objects, keyID: entries["tenancy"] + "/" + entries["user"] + "/" + entries["fingerprint"]}
	c.key = parsed.(*rsa.PrivateKey)
	return c, nil
}

func (c *client) Get(name string) (body []byte, etag string, err error) {
	return c.call(http.MethodGet, name, nil, "")
}

func (c *client) Head(name string) error {
	_, _, err := c.call(http.MethodHead, name, nil, "")
	return err
}

func (c *client) Put(name string, body []byte, ifMatch string) error {
	_, _, err := c.call(http.MethodPut, name, body, ifMatch)
	return err
}

// call makes a signed request. A PUT with an ETag replaces the object with that ETag.
func (c *client) call(method, name string, body []byte, ifMatch string) (content []byte, etag string, err error) {
	r, err := http.NewRequest(method, c.objects+name, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if method == http.MethodPut {
		sum := md5.Sum(body)
		r.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
	}
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	signed := fmt.Sprintf("date: %s\n(request-target): %s %s\nhost: %s",
		r.Header.Get("Date"), strings.ToLower(method), r.URL.RequestURI(), r.URL.Host)
	hash := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, c.key, crypto.SHA256, hash[:])
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", fmt.Sprintf(
		`Signature version="1",headers="date (request-target) host",keyId="%s",algorithm="rsa-sha256",signature="%s"`,
		c.keyID, base64.StdEncoding.EncodeToString(signature)))
	return c.do(r)
}

// do sends a request and reads the response.
func (c *client) do(r *http.Request) (content []byte, etag string, err error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	content, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", r.Method, r.URL, resp.Status)
	}
	return content, resp.Header.Get("ETag"), err
}
