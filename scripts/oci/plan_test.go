package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	resourceBlock = regexp.MustCompile(`(?ms)^resource "(oci_\w+)" "(\w+)" \{\n(.*?)^\}\n`)
	dataBlock     = regexp.MustCompile(`(?ms)^data .*?^\}\n`)
	ordering      = regexp.MustCompile(`(?m)^  (?:provider|depends_on)\s+= .*\n`)
	repetition    = regexp.MustCompile(`(?m)^  (?:count|for_each)\s+= .*\n`)
	checks        = regexp.MustCompile(`(?ms)^  lifecycle \{\n.*?^  \}\n`)
	nestedBlock   = regexp.MustCompile(`(?m)^( +\w+) \{$`)
	reference     = regexp.MustCompile(`\b(oci_\w+)\.(\w+)(\[(?:\d+|\*)\])?\.(\w+)`)
)

// standIns returns a file of the configuration that needs no provider. It replaces each
// resource by a terraform_data, which is part of Terraform, with the resource's arguments as
// its input. So Terraform evaluates all expressions. The values that OCI chooses are
// constants.
func standIns(text string) string {
	text = dataBlock.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "data.oci_objectstorage_namespace.tenancy.namespace", `"NAMESPACE"`)
	text = resourceBlock.ReplaceAllStringFunc(text, func(block string) string {
		m := resourceBlock.FindStringSubmatch(block)
		body := ordering.ReplaceAllString(m[3], "")
		meta := strings.Join(append(repetition.FindAllString(body, -1), checks.FindAllString(body, -1)...), "")
		body = checks.ReplaceAllString(repetition.ReplaceAllString(body, ""), "")
		n := 0
		body = nestedBlock.ReplaceAllStringFunc(body, func(line string) string {
			n++
			return fmt.Sprintf("%s_%d = {", strings.TrimSuffix(line, " {"), n)
		})
		chosen := fmt.Sprintf("id = \"OCID-%s\"\nfingerprint = \"FINGERPRINT\"\nbucket_id = \"\"\nmanagement_endpoint = \"\"\nmessages_endpoint = \"\"\n", m[2])
		return fmt.Sprintf("resource \"terraform_data\" \"%s_%s\" {\n%s  input = {\n%s%s  }\n}\n", m[1], m[2], meta, body, chosen)
	})
	return reference.ReplaceAllString(text, "terraform_data.${1}_$2$3.input.$4")
}

// plan is the part of a plan that the test looks at.
type plan struct {
	Values struct {
		Outputs map[string]struct{ Value any }
		Root    struct {
			Resources []struct {
				Name   string
				Values struct{ Input map[string]any }
			}
		} `json:"root_module"`
	} `json:"planned_values"`
}

// texts returns an argument of all resources whose names begin with a prefix, or its
// elements if it is a list.
func (p plan) texts(prefix, argument string) []string {
	var all []string
	for _, r := range p.Values.Root.Resources {
		if !strings.HasPrefix(r.Name, prefix) {
			continue
		}
		switch v := r.Values.Input[argument].(type) {
		case []any:
			for _, e := range v {
				all = append(all, fmt.Sprint(e))
			}
		default:
			all = append(all, fmt.Sprint(v))
		}
	}
	return all
}

// TestTerraformPlan evaluates the configuration with stand-ins for its resources. It needs
// Terraform, which Debian does not have, and no network.
func TestTerraformPlan(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is missing")
	}
	dir := t.TempDir()
	files, err := filepath.Glob("*.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file == "versions.tf" { // names the provider
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(standIns(read(t, file))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("PUBLIC KEY"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		c := exec.CommandContext(t.Context(), terraform, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			err = fmt.Errorf("terraform %s: %w\n%s", args[0], err, stderr.Bytes())
		}
		return out, err
	}
	planned := func(settings ...string) (plan, error) {
		args := []string{"plan", "-no-color", "-input=false", "-lock=false", "-out=plan", "-var=tenancy_ocid=ocid1.tenancy.oc1..t", "-var=compartment_ocid=ocid1.compartment.oc1..c"}
		for _, s := range settings {
			args = append(args, "-var="+s)
		}
		var p plan
		if _, err := run(args...); err != nil {
			return p, err
		}
		text, err := run("show", "-json", "plan")
		if err == nil {
			err = json.Unmarshal(text, &p)
		}
		return p, err
	}
	if _, err := run("init", "-no-color", "-input=false"); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		settings []string
		// Texts that the statements of the policies, the condition of the rule and the
		// lines for the settings file contain.
		statements, conditions, env []string
		err                         string // part of the error
	}{
		"instances": {
			settings: []string{`instance_ocids=["ocid1.instance.oc1..i"]`},
			statements: []string{
				"Allow dynamic-group id OCID-collectors to manage objects in compartment id ocid1.compartment.oc1..c where all {target.bucket.name='polisen-events', request.permission='OBJECT_INSPECT'}",
				"Allow dynamic-group id OCID-collectors to manage objects in compartment id ocid1.compartment.oc1..c where all {target.bucket.name='polisen-events', any {request.permission='OBJECT_READ', request.permission='OBJECT_CREATE', request.permission='OBJECT_OVERWRITE'}}",
				"Allow group id OCID-readers to read objects in compartment id ocid1.compartment.oc1..c where all {target.bucket.name='polisen-events', request.permission='OBJECT_READ'}",
				"Allow service objectstorage-eu-stockholm-1 to manage object-family in compartment id ocid1.compartment.oc1..c where target.bucket.name='polisen-events'",
			},
			env: []string{"POLISEN_STORE=oci://NAMESPACE/polisen-events\n", "OCI_REGION=eu-stockholm-1\n", "OCI_AUTH=instance_principal"},
		},
		"user, prefix and stream": {
			settings: []string{"principal=api_key", "api_public_key_path=key.pem", "prefix=a/b", "events=stream"},
			statements: []string{
				"Allow group id OCID-collectors to manage objects in compartment id ocid1.compartment.oc1..c where all {target.bucket.name='polisen-events', target.object.name='a/b/*', any {",
			},
			conditions: []string{`"resourceName":["a/b/events/*","a/b/revisions/*"]`, `"bucketName":["polisen-events"]`, `"eventType":["com.oraclecloud.objectstorage.createobject"]`},
			env:        []string{"POLISEN_STORE=oci://NAMESPACE/polisen-events/a/b\n", "OCI_AUTH=api_key"},
		},
		"vault": {
			settings:   []string{"principal=api_key", "api_public_key_path=key.pem", "create_vault=true", "vault_secret_prefix=x-", `instance_ocids=["ocid1.instance.oc1..i"]`},
			statements: []string{"any {target.secret.name='x-oci-user-ocid', target.secret.name='x-oci-tenancy-ocid', target.secret.name='x-oci-fingerprint', target.secret.name='x-oci-private-key', target.secret.name='x-oci-region'}}"},
			env:        []string{"OCI_VAULT_ID=OCID-collector\n", "OCI_VAULT_AUTH=instance_principal\n", "OCI_VAULT_SECRET_PREFIX=x-"},
		},
		"no instance":   {err: "Set instance_ocids"},
		"no key":        {settings: []string{"principal=api_key"}, err: "Set api_public_key_path"},
		"vault, no key": {settings: []string{"create_vault=true", `instance_ocids=["ocid1.instance.oc1..i"]`}, err: `set principal = "api_key"`},
		"no function":   {settings: []string{"events=function", `instance_ocids=["ocid1.instance.oc1..i"]`}, err: "Set function_ocid"},
		"wrong prefix":  {settings: []string{"prefix=a/"}, err: "single slashes"},
		"prefix ..":     {settings: []string{"prefix=a/../b"}, err: "no part begins with a dot"},
		"wrong name":    {settings: []string{"bucket_name=a'b"}, err: "bucket_name may hold"},
	} {
		p, err := planned(test.settings...)
		if test.err != "" {
			// Terraform wraps long lines.
			if err == nil || !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), test.err) {
				t.Errorf("%s: %v, want %q", name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range []struct {
			what, text string
			want       []string
		}{
			{"the policies", strings.Join(p.texts("oci_identity_policy_", "statements"), "\n"), test.statements},
			{"the condition of the rule", strings.Join(p.texts("oci_events_rule_", "condition"), "\n"), test.conditions},
			{"output env", fmt.Sprint(p.Values.Outputs["env"].Value), test.env},
		} {
			for _, want := range part.want {
				if !strings.Contains(part.text, want) {
					t.Errorf("%s: want %q in %s:\n%s", name, want, part.what, part.text)
				}
			}
		}
	}
}
