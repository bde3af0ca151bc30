// Package requests makes the HTTP requests of a collect that stores one object, and nothing
// else. It serves the commands bare and sdk, which differ in the client that they use.
package requests

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

// Client makes calls for the objects of a bucket.
type Client interface {
	Get(name string) (body []byte, etag string, err error)
	Head(name string) error
	// Put writes an object. With ifMatch it replaces the object with that ETag.
	Put(name string, body []byte, ifMatch string) error
}

// Main runs the command of that name, whose arguments are API-URL OBJECTS-URL OCI-CONFIG-FILE
// OBJECT CONTENT-FILE. It ends the process with 1 after an error.
func Main(name string, newClient func(objects, config string) (Client, error)) {
	if err := run(name, os.Args[1:], newClient); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// run calls the API, reads the document and the last report, asks for the object, and
// writes the document, the object and the report.
func run(name string, args []string, newClient func(objects, config string) (Client, error)) error {
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
	if err := callAPI(api, name); err != nil {
		return err
	}
	const document, report = "metadata/last_seen.json", "metadata/last_run.json"
	documentBody, documentETag, err := c.Get(document)
	if err != nil {
		return err
	}
	reportBody, reportETag, err := c.Get(report)
	if err != nil {
		return err
	}
	if err := c.Put(document, documentBody, documentETag); err != nil {
		return err
	}
	if err := c.Head(object); err != nil {
		return err
	}
	if err := c.Put(object, content, ""); err != nil {
		return err
	}
	return c.Put(report, reportBody, reportETag)
}

// callAPI reads a response of the events API.
func callAPI(url, name string) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", name+"/1 (nobody@example.org)")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return err
}
