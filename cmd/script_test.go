package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/racetest"
)

// TestScript runs the scenarios of testdata/script with the real program. Each
// has a home folder of its own, $WORK/home, the archive's default folder under
// $WORK/data and the state folder under $WORK/state; nothing else of the
// environment reaches it. $RESPONSES holds saved responses, and $API_URL is a
// fake of the API that shows 500 events. To see one script: go test ./cmd -run TestScript/NAME -v.
// UPDATE_SCRIPTS=1 rewrites what their cmp commands expect.
func TestScript(t *testing.T) {
	const dir = "../testdata/script"
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".txtar" {
			t.Errorf("%s/%s would not be run: want .txtar", dir, e.Name())
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=10") // a process under the race detector waits for a second at its end
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			scripts, err := filepath.Abs("../scripts")
			env.Setenv("SCRIPTS", scripts)
			env.Setenv("RESPONSES", filepath.Join(filepath.Dir(scripts), "testdata", "responses"))
			api := &scriptAPI{start: polisen.InSweden(time.Now().Truncate(time.Second))}
			server := httptest.NewServer(&api.API)
			env.Defer(server.Close)
			env.Values[scriptAPIKey{}] = api
			env.Setenv("API_URL", server.URL+"/api/events")
			return errors.Join(err, os.Mkdir(env.Getenv("HOME"), 0o700))
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "race": // the race detector is on, which finds nothing in a shell script
				return racetest.Enabled, nil
			case "strace": // it is here, and may trace processes
				return exec.Command("strace", "-o", "/dev/null", "true").Run() == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exitcode": exitcode,
			"api":      setAPI,
			"response": response,
			"cloud":    cloud,
		},
	})
}

// exitcode is the script command "exitcode N command [args...]": it runs the
// command, whose exit code must be N exactly. stdout and stderr can be looked
// at afterwards, as after exec.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s did not run: %v", args[1], err)
		}
		got = failed.ExitCode() // -1 if a signal killed it
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", args[1], got, want)
	}
}

// scriptAPI is the fake API behind $API_URL of a script.
type scriptAPI struct {
	polisentest.API
	start time.Time // of the script, in Swedish local time
}

// scriptAPIKey is the key of a script's *scriptAPI.
type scriptAPIKey struct{}

// setAPI is the script command "api ID AGE [OLD NEW]": from now on the fake behind
// $API_URL answers with 500 events, and replaces the text OLD in their JSON by NEW. ID is
// the highest id, and AGE, such as 80h, the age of the newest event at the start of the
// script. An event with the same id has the same content, if the age is the same.
func setAPI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 && len(args) != 4 {
		ts.Fatalf("usage: api id age [old new]")
	}
	highest, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	age, err := time.ParseDuration(args[1])
	ts.Check(err)
	api := ts.Value(scriptAPIKey{}).(*scriptAPI)
	items := make([][]byte, polisen.FullResponse)
	for i := range items {
		items[i] = polisentest.Event(highest-int64(i), api.start.Add(-age-time.Duration(i)*20*time.Minute))
	}
	body := polisentest.Response(items...)
	if len(args) == 4 {
		body = bytes.ReplaceAll(body, []byte(args[2]), []byte(args[3]))
	}
	api.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: body} })
}

// cloud is the script command "cloud [STATUS...]": it starts fakes of the API,
// which first answers with these statuses, and of a bucket, and sets the
// settings that lead the program there.
func cloud(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: cloud [status...]")
	}
	dir, err := os.MkdirTemp(ts.MkAbs("."), "cloud")
	ts.Check(err)
	c, err := cloudtest.Start(dir, "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { c.Close() })
	for _, text := range args {
		status, err := strconv.Atoi(text)
		ts.Check(err)
		c.API.Script(polisentest.Status(status))
	}
	for name, value := range c.Settings() {
		ts.Setenv(name, value)
	}
}

// response is the script command "response FILE ID N DATE": it writes a
// response of N events with the ids from ID on, one an hour from DATE on.
func response(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: response file id n date")
	}
	id, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	date, err := time.Parse(time.DateOnly, args[3])
	ts.Check(err)
	items := make([][]byte, n)
	for i := range items {
		items[i] = polisentest.Event(id+int64(i), date.Add(time.Duration(i)*time.Hour))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), polisentest.Response(items...), 0o644))
}
