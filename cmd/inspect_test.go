package cmd

import (
	"net/http"
	"strings"
	"testing"

	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestInspectWithoutPermissionToWrite inspects a bucket with a key that may only
// read: the service rejects all other requests.
func TestInspectWithoutPermissionToWrite(t *testing.T) {
	cloud := newCloud(t)
	run := func(want int, args ...string) (stdout string) {
		t.Helper()
		exit, stdout, stderr := runWith(args, cloud.Settings(), nil)
		if exit != want {
			t.Errorf("%v: exit %d, want %d: %s", args, exit, want, stderr)
		}
		return stdout
	}
	const first, next = polisentest.FirstID + 1, polisentest.FirstID + 2
	item := func(id int64, fields ...polisentest.Field) []byte {
		return polisentest.Event(id, polisentest.Newest, fields...)
	}
	cloud.API.Script(
		polisentest.OK(item(first)),
		polisentest.OK(item(first, polisentest.Summary("changed")), item(next)),
	)
	run(0, "collect")

	writes := 0
	cloud.SetIntercept(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			serve(w, r)
			return
		}
		writes++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"code":"BucketNotFound","message":"Either the bucket does not exist or you are not authorized to access it"}`))
	})
	for _, tt := range []struct {
		exit int
		args []string
		want string
	}{
		{0, nil, "1 object of the last commit, 1 line: all stored\n"},
		{0, []string{"--ids"}, "600001\n"},
		{0, []string{"--raw"}, `{"seen_ids":[600001],`},
		{0, []string{"--has", "600001"}, "600001 listed: in seen_ids\n"},
		{7, []string{"--has", "600002"}, "600002 not found: searched seen_ids, which lists every stored id above 0\n"},
		{0, []string{"--against-api"}, "2 events, 0 rejected: 1 new, 1 revised, 0 already seen\nnew: 600002\nrevised: 600001\n"},
	} {
		if stdout := run(tt.exit, append([]string{"inspect-metadata"}, tt.args...)...); !strings.Contains(stdout, tt.want) {
			t.Errorf("%v: got\n%swant\n%s", tt.args, stdout, tt.want)
		}
	}
	if writes > 0 {
		t.Errorf("inspect-metadata sent %d writes", writes)
	}
	// The call of --against-api is subject to the rate limits too.
	if n, breaches := len(cloud.API.Calls()), cloud.API.Breaches(); n != 2 || len(breaches) > 0 {
		t.Errorf("%d calls to the API, want 2; breaches %q", n, breaches)
	}
	if run(6, "collect"); writes == 0 {
		t.Error("collect sent no write either, so this test proves nothing")
	}
}
