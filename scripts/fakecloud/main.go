// Command fakecloud serves fakes of the events API and of OCI Object Storage on
// this machine, to try the collector without an account or a network:
//
//	go run ./scripts/fakecloud --dir /tmp/cloud
//
// It prints commands to run with it, and serves until SIGINT or SIGTERM. It keeps
// objects in memory; a browser can show them.
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
	err := run(ctx, os.Args[1:], os.Stdout)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "fakecloud:", err)
	if errors.Is(err, errUsage) {
		os.Exit(64)
	}
	os.Exit(1)
}

// errUsage means that the command line is wrong.
var errUsage = errors.New("wrong usage (see --help)")

// options holds the options of the command line.
type options struct {
	dir, listen string
	responses   []polisentest.Answer
	added       int
	delays      cloudtest.Delays
}

const usage = `usage: fakecloud --dir FOLDER [options]

Serves fakes of the events API and of OCI Object Storage until Ctrl-C.

options:
`

// parse parses the command line. For -h it prints the help to stdout and returns
// flag.ErrHelp. Other errors wrap errUsage.
func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("fakecloud", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the error
	flags.StringVar(&o.dir, "dir", "", "`FOLDER` for the OCI configuration file, its key, the settings (env, for --env-file) and rclone.conf; created if missing (required)")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` to listen on; port 0 means any free port")
	flags.Func("response", "`FILE` with a response of the API; repeat the flag to serve several responses in order, and the last one from then on", func(path string) error {
		body, err := os.ReadFile(path)
		o.responses = append(o.responses, polisentest.Answer{Body: body})
		return err
	})
	flags.IntVar(&o.added, "new", 3, "`NUMBER` of new events in each synthetic response, 0 to 500; used without --response")
	flags.DurationVar(&o.delays.API, "delay-api", 0, "`DURATION` of a call to the events API")
	flags.DurationVar(&o.delays.Read, "delay-read", 0, "`DURATION` of a GET or HEAD of an object, or a list")
	flags.DurationVar(&o.delays.PutDocument, "delay-put-document", 0, "`DURATION` of a PUT of the metadata document")
	flags.DurationVar(&o.delays.PutReport, "delay-put-report", 0, "`DURATION` of a PUT of the report of the last run")
	flags.DurationVar(&o.delays.Put, "delay-put", 0, "`DURATION` of a PUT of any other object")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	case o.dir == "":
		return o, fmt.Errorf("%w: --dir is missing: choose a folder", errUsage)
	case o.added < 0 || o.added > 500:
		return o, fmt.Errorf("%w: --new %d: use a number from 0 to 500", errUsage, o.added)
	}
	return o, nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
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
	cloud.API.Default = cloudtest.Advancing(o.added)
	if n := len(o.responses); n > 0 {
		cloud.API.Script(o.responses[:n-1]...)
		cloud.API.Default = func(*http.Request) polisentest.Answer { return o.responses[n-1] }
	}
	env, err := cloud.WriteEnvFile()
	if err != nil {
		return fmt.Errorf("write the env-file: %w", err)
	}
	rclone, err := cloud.WriteRcloneConfig()
	if err != nil {
		return fmt.Errorf("write the configuration file for rclone: %w", err)
	}
	fmt.Fprintf(stdout, `Serving the events API and Object Storage at %s until Ctrl-C. Try:
  go run . collect --env-file %s --output json
  curl %s
  rclone --config %s copy oci:%s ./archive
`, cloud.URL, env, cloud.URL+cloudtest.Browse, rclone, cloudtest.Bucket)
	<-ctx.Done()
	return nil
}
