// Command fakecloud serves fakes of the events API and of OCI Object Storage on
// this machine, for trying the collector out without an account or a network:
//
//	go run ./scripts/fakecloud --dir /tmp/cloud
//
// It prints what to run against it, and serves until SIGINT or SIGTERM. The
// objects are kept in memory and can be looked at with a browser.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen/polisentest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "fakecloud:", err)
	os.Exit(1)
}

// options are the command line.
type options struct {
	dir, listen string
	responses   []polisentest.Answer
	fresh       int
	delays      cloudtest.Delays
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("fakecloud", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", "", "folder for the OCI config file, its key and the file env for --env-file, made if it is missing (required)")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address to listen on; port 0 picks one")
	flags.Func("response", "file with a response of the API; if given more than once, they are served in turn, the last for ever", func(path string) error {
		body, err := os.ReadFile(path)
		o.responses = append(o.responses, polisentest.Answer{Body: body})
		return err
	})
	flags.IntVar(&o.fresh, "new", 3, "without --response: events that each synthetic response has more than the one before, up to 500")
	flags.DurationVar(&o.delays.API, "delay-api", 0, "how long a call to the events API takes")
	flags.DurationVar(&o.delays.Read, "delay-read", 0, "how long it takes to GET, HEAD or list objects")
	flags.DurationVar(&o.delays.PutDocument, "delay-put-document", 0, "how long it takes to PUT the metadata document")
	flags.DurationVar(&o.delays.Put, "delay-put", 0, "how long it takes to PUT any other object")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.dir == "":
		return o, errors.New("--dir is missing")
	case o.fresh < 0 || o.fresh > 500:
		return o, fmt.Errorf("--new %d: want 0 to 500", o.fresh)
	}
	return o, nil
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	cloud, err := cloudtest.Start(o.dir, o.listen)
	if err != nil {
		return err
	}
	defer cloud.Close()
	cloud.SetDelays(o.delays)
	cloud.API.Default = cloudtest.Moving(o.fresh)
	if n := len(o.responses); n > 0 {
		cloud.API.Script(o.responses[:n-1]...)
		cloud.API.Default = func(*http.Request) polisentest.Answer { return o.responses[n-1] }
	}
	env, err := cloud.WriteEnvFile()
	if err != nil {
		return fmt.Errorf("write the env-file: %w", err)
	}
	fmt.Fprintf(stdout, `The events API and Object Storage are on %s until Ctrl-C. Try:
  go run . collect --env-file %s --output json
  curl %s
`, cloud.URL, env, cloud.URL+cloudtest.Browse)
	<-ctx.Done()
	return nil
}
