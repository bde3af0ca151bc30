package ociauth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// folder writes files into a new folder and returns its path. In the files it
// replaces {dir} with this path.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "{dir}", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// profile returns the entries of a profile for id, whose key is {dir}/key.pem.
func profile(id *ociauthtest.Identity) string {
	return fmt.Sprintf("user=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file={dir}/key.pem\n",
		id.User, id.Fingerprint, id.Tenancy, id.Region)
}

// without returns the text without the entry of this key.
func without(text, key string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, key+"=") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func pkcs1(id *ociauthtest.Identity) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(id.Key)}))
}

func encrypted(t *testing.T, id *ociauthtest.Identity, password string) string {
	t.Helper()
	//lint:ignore SA1019 old keys in this format are still in use
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(id.Key), []byte(password), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestProfiles(t *testing.T) {
	id := ociauthtest.Shared()
	good := profile(id)
	other := strings.Replace(good, "..testuser", "..other", 1)
	for name, test := range map[string]struct {
		config, key string
		options     ociauth.Options
		user        string // if not the identity's
		region      string // if not the identity's
	}{
		"plain":                      {config: "[DEFAULT]\n" + good},
		"PKCS#1 key":                 {config: "[DEFAULT]\n" + good, key: pkcs1(id)},
		"encrypted key":              {config: "[DEFAULT]\n" + good + "pass_phrase = open sesame\n", key: encrypted(t, id, "open sesame")},
		"old passphrase name":        {config: "[DEFAULT]\n" + good + "passphrase=x\n", key: encrypted(t, id, "x")},
		"= in a passphrase":          {config: "[DEFAULT]\n" + good + "pass_phrase=ab=cd=\n", key: encrypted(t, id, "ab=cd=")},
		"passphrase for a plain key": {config: "[DEFAULT]\n" + good + "pass_phrase=x\n"},
		"Windows file":               {config: "\ufeff" + strings.ReplaceAll("[DEFAULT]\n"+good, "\n", "\r\n")},
		"comments and spaces":        {config: "# made by hand\n\n; too\n [DEFAULT] \n" + strings.ReplaceAll(good, "=", "  =\t")},
		"upper case keys":            {config: "[DEFAULT]\n" + strings.NewReplacer("user=", "User=", "key_file=", "KEY_FILE=").Replace(good)},
		"upper case fingerprint":     {config: "[DEFAULT]\n" + strings.Replace(good, id.Fingerprint, strings.ToUpper(id.Fingerprint), 1)},
		"other profile":              {config: "[DEFAULT]\n" + good + "[collector]\n" + other, options: ociauth.Options{Profile: "collector"}, user: "ocid1.user.oc1..other"},
		"inherits":                   {config: "[DEFAULT]\n" + good + "[collector]\nregion=eu-paris-1\n", options: ociauth.Options{Profile: "collector"}, region: "eu-paris-1"},
		"region given":               {config: "[DEFAULT]\n" + without(good, "region"), options: ociauth.Options{Region: "eu-frankfurt-1"}, region: "eu-frankfurt-1"},
		"region replaced":            {config: "[DEFAULT]\n" + good, options: ociauth.Options{Region: "eu-frankfurt-1"}, region: "eu-frankfurt-1"},
		"label after the END line":   {config: "[DEFAULT]\n" + good, key: strings.Replace(string(id.PEM()), "-----\nOCI_API_KEY", "-----OCI_API_KEY", 1)},
		"byte order mark":            {config: "[DEFAULT]\n" + good, key: "\ufeff" + string(id.PEM())},
		"indented key":               {config: "[DEFAULT]\n" + good, key: "  " + strings.ReplaceAll(string(id.PEM()), "\n", " \r\n\t")},
		"indented encrypted key":     {config: "[DEFAULT]\n" + good + "pass_phrase=x\n", key: "\t" + strings.ReplaceAll(encrypted(t, id, "x"), "\n", "\n\t")},
		"certificate before the key": {config: "[DEFAULT]\n" + good, key: "-----BEGIN of a bundle\n" + block("CERTIFICATE", []byte("any")) + string(id.PEM())},
		"Latin-1 before the key":     {config: "# \xe5\n[DEFAULT]\n" + good, key: "friendlyName: \xe5sa\n" + string(id.PEM())},
		"other auth type":            {config: "[DEFAULT]\n" + good + "authentication_type=instance_principal\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.key == "" {
				test.key = string(id.PEM())
			}
			dir := folder(t, map[string]string{"config": test.config, "key.pem": test.key})
			test.options.ConfigFile = filepath.Join(dir, "config")
			c, err := ociauth.Resolve(t.Context(), test.options)
			if err != nil {
				t.Fatal(err)
			}
			key, err := c.PrivateRSAKey()
			if err != nil || !key.Equal(id.Key) {
				t.Errorf("wrong key: %v", err)
			}
			user, region := id.User, id.Region
			if test.user != "" {
				user = test.user
			}
			if test.region != "" {
				region = test.region
			}
			if got, _ := c.UserOCID(); got != user {
				t.Errorf("user %s", got)
			}
			if got, _ := c.Region(); got != region {
				t.Errorf("region %s", got)
			}
			if got, _ := c.KeyID(); got != id.Tenancy+"/"+user+"/"+id.Fingerprint {
				t.Errorf("key id %s", got)
			}
			if ok, err := common.IsConfigurationProviderValid(c); !ok {
				t.Errorf("the SDK rejects it: %v", err)
			}
			if auth, _ := c.AuthType(); auth.AuthType != common.UnknownAuthenticationType || auth.IsFromConfigFile {
				t.Errorf("the SDK would look for other credentials: %+v", auth)
			}
		})
	}
}

// The key in testdata was made with OpenSSL. It is encrypted as "oci setup keys"
// does it (PKCS#8).
func TestEncryptedPKCS8(t *testing.T) {
	key, err := os.ReadFile("testdata/encrypted.pem")
	if err != nil {
		t.Fatal(err)
	}
	for passphrase, want := range map[string]string{
		"open sesame": "key_file {dir}/key.pem has the fingerprint ", // that is, it was decrypted
		"other":       "the private key cannot be decrypted: check pass_phrase",
		"":            "the private key is encrypted, and there is no pass_phrase",
	} {
		dir := folder(t, map[string]string{
			"config": "[DEFAULT]\n" + profile(ociauthtest.Shared()) + "pass_phrase=" + passphrase + "\n", "key.pem": string(key),
		})
		_, err := ociauth.Resolve(t.Context(), ociauth.Options{ConfigFile: filepath.Join(dir, "config")})
		if want = strings.ReplaceAll(want, "{dir}", dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("passphrase %q: %v", passphrase, err)
		}
	}
}

// The keys in testdata were made with OpenSSL from new keys, with the passphrase "open
// sesame" and an encryption that the SDK's library lacks. OpenSSL converts them with the
// command in the message.
func TestUnknownEncryption(t *testing.T) {
	for _, name := range []string{"sha512.pem", "pbes1.pem"} {
		key, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		dir := folder(t, map[string]string{
			"config": "[DEFAULT]\n" + profile(ociauthtest.Shared()) + "pass_phrase=open sesame\n", "key.pem": string(key),
		})
		_, err = ociauth.Resolve(t.Context(), ociauth.Options{ConfigFile: filepath.Join(dir, "config")})
		checkCredentialsError(t, err, []string{"encrypted in a way that this program does not know", "openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWithSHA256 -in OLD.pem -out NEW.pem"})
	}
}

func TestHomeFolder(t *testing.T) {
	id := ociauthtest.Shared()
	home := folder(t, map[string]string{
		".oci/config": "[DEFAULT]\n" + strings.Replace(profile(id), "{dir}", "~/.oci", 1), ".oci/key.pem": string(id.PEM()),
	})
	t.Setenv("HOME", home)
	for _, file := range []string{"", "~/.oci/config"} {
		if _, err := ociauth.Resolve(t.Context(), ociauth.Options{ConfigFile: file}); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestProfileErrors(t *testing.T) {
	id := ociauthtest.Shared()
	good := profile(id)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&id.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config, key string
		options     ociauth.Options
		want        []string
	}{
		"no file":              {want: []string{"/config does not exist", "oci setup config"}},
		"no session":           {options: ociauth.Options{Kind: ociauth.SecurityToken}, want: []string{"/config does not exist", "oci session authenticate"}},
		"region's form":        {config: "[DEFAULT]\n" + without(good, "region") + "region=evil.example.org/\n", want: []string{"region is not a region's name"}},
		"no profile":           {config: "[DEFAULT]\n" + good + "[b]\n", options: ociauth.Options{Profile: "B"}, want: []string{"has no profile [B]", "its profiles are [DEFAULT], [b]"}},
		"secret for a profile": {config: "[DEFAULT]\n" + good, options: ociauth.Options{Profile: "canary-passphrase"}, want: []string{"has no profile of the name in the settings"}},
		"empty file":           {config: "\n", want: []string{"has no profile [DEFAULT]", "and no other one"}},
		"no entries":           {config: "[DEFAULT]\n", want: []string{"profile [DEFAULT] of ", "no user, tenancy, fingerprint, key_file, region"}},
		"empty entries":        {config: "[DEFAULT]\n" + without(without(good, "user"), "region") + "user=\nregion= \n", want: []string{"no user, region"}},
		"line without =":       {config: "[DEFAULT]\n" + good + "canary-passphrase\n", want: []string{"line 7 is neither [profile] nor key=value"}},
		"unclosed name":        {config: "[DEFAULT\n" + good, want: []string{"line 1"}},
		"entry before profile": {config: good, want: []string{"line 1 comes before the first [profile]"}},
		"principal":            {config: "[DEFAULT]\nauthentication_type=instance_principal\n", want: []string{"--auth instance_principal"}},
		"session":              {config: "[DEFAULT]\n" + without(good, "user") + "security_token_file=/x\n", want: []string{"no user", "--auth security_token"}},
		"no key file":          {config: "[DEFAULT]\n" + strings.Replace(good, "key.pem", "other.pem", 1), want: []string{"key_file: ", "other.pem", "no such file"}},
		"key for its path":     {config: "[DEFAULT]\n" + strings.Replace(good, "{dir}/key.pem", "canary"+strings.Repeat("MIIEvQIBADANBgkqhkiG", 4), 1), want: []string{"key_file: no such file or directory; the value is not shown: it must be the path of the file"}},
		"key file folder":      {config: "[DEFAULT]\n" + strings.Replace(good, "{dir}/key.pem", "{dir}", 1), want: []string{"key_file: ", "is a directory"}},
		"not PEM":              {config: "[DEFAULT]\n" + good, key: "canary", want: []string{"key.pem: not a PEM file"}},
		"public key":           {config: "[DEFAULT]\n" + good, key: block("PUBLIC KEY", public), want: []string{"it holds a PUBLIC KEY instead of a private key"}},
		"other algorithm":      {config: "[DEFAULT]\n" + good, key: block("PRIVATE KEY", ecDER), want: []string{"the private key is damaged, or is not an RSA key"}},
		"damaged key":          {config: "[DEFAULT]\n" + good, key: block("PRIVATE KEY", []byte("canary")), want: []string{"the private key is damaged, or is not an RSA key"}},
		"literal line breaks":  {config: "[DEFAULT]\n" + good, key: strings.ReplaceAll(string(id.PEM()), "\n", `\n`), want: []string{`written as the two characters \n`}},
		"no END line":          {config: "[DEFAULT]\n" + good, key: strings.Split(string(id.PEM()), "-----END")[0], want: []string{"the private key has no line -----END PRIVATE KEY-----: copy the whole key"}},
		"UTF-16 key":           {config: "[DEFAULT]\n" + good, key: utf16(string(id.PEM())), want: []string{"key.pem: not UTF-8 text"}},
		"UTF-16 config":        {config: utf16("[DEFAULT]\n" + good), want: []string{"/config: not UTF-8 text: save the file as UTF-8"}},
		"profile twice":        {config: "[a]\n[DEFAULT]\n" + good + "\n[a]\n", want: []string{"lines 1 and 9 begin the same profile"}},
		"entry twice":          {config: "[DEFAULT]\n" + good + "USER = canary\n", want: []string{"lines 2 and 7 set the same entry"}},
		"quoted value":         {config: "[DEFAULT]\n" + strings.Replace(good, id.User, `"`+id.User+`"`, 1), want: []string{"user is in quotation marks"}},
		"quoted path":          {config: "[DEFAULT]\n" + strings.Replace(good, "{dir}/key.pem", "'{dir}/key.pem'", 1), want: []string{"key_file is in quotation marks"}},
		"quoted region":        {config: "[DEFAULT]\n" + strings.Replace(good, id.Region, "'"+id.Region+"'", 1), want: []string{"region is in quotation marks"}},
		"quoted passphrase":    {config: "[DEFAULT]\n" + good + "pass_phrase='canary'\n", key: encrypted(t, id, "canary"), want: []string{"the quotation marks around pass_phrase"}},
		"comment after value":  {config: "[DEFAULT]\n" + strings.Replace(good, id.Tenancy, id.Tenancy+" # canary", 1), want: []string{"tenancy has a comment after the value"}},
		"comment after path":   {config: "[DEFAULT]\n" + strings.Replace(good, "/key.pem", "/key.pem ; canary", 1), want: []string{"key_file has a comment after the value"}},
		"relative path":        {config: "[DEFAULT]\n" + strings.Replace(good, "{dir}/key.pem", "none/of-these.pem", 1), want: []string{"open " + wd + "/none/of-these.pem", "write it from / on"}},
		"delegation token":     {config: "[DEFAULT]\n" + without(good, "user") + "authentication_type=instance_principal\ndelegation_token_file=/x\n", want: []string{"no user: its delegation_token_file is not supported: use a profile with an API key"}},
		"delegated session":    {config: "[DEFAULT]\n" + good + "delegation_token_file=/x\n", options: ociauth.Options{Kind: ociauth.SecurityToken}, want: []string{"no security_token_file: its delegation_token_file is not supported"}},
		"resource principal":   {config: "[DEFAULT]\nauthentication_type=resource_principal\n", want: []string{"--auth resource_principal"}},
		"no passphrase":        {config: "[DEFAULT]\n" + good, key: encrypted(t, id, "canary"), want: []string{"the private key is encrypted, and there is no pass_phrase"}},
		"wrong passphrase":     {config: "[DEFAULT]\n" + good + "pass_phrase=canary\n", key: encrypted(t, id, "other"), want: []string{"the private key cannot be decrypted: check pass_phrase"}},
		"other key":            {config: "[DEFAULT]\n" + good, key: string(ociauthtest.NewIdentity().PEM()), want: []string{"fingerprint is that of another key; key_file ", "has the fingerprint "}},
		"several": {
			config: "[DEFAULT]\nuser=me\ntenancy=ocid1.user.oc1..x\nfingerprint=aa\nregion=eu-stockholm-1\nkey_file={dir}/key.pem\n",
			want:   []string{"tenancy is not the OCID of a tenancy", "user is not the OCID of a user", "fingerprint is not 16 pairs", "has the fingerprint " + id.Fingerprint},
		},
		"unknown kind": {config: "[DEFAULT]\n" + good, options: ociauth.Options{Kind: "magic"}, want: []string{`"magic"`}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.key == "" {
				test.key = string(id.PEM())
			}
			files := map[string]string{"key.pem": test.key}
			if test.config != "" {
				files["config"] = test.config
			}
			test.options.ConfigFile = filepath.Join(folder(t, files), "config")
			_, err := ociauth.Resolve(t.Context(), test.options)
			checkCredentialsError(t, err, test.want)
		})
	}
}

// utf16 returns a text of ASCII characters in UTF-16 with a byte order mark.
func utf16(text string) string {
	out := []byte{0xff, 0xfe}
	for _, c := range []byte(text) {
		out = append(out, c, 0)
	}
	return string(out)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("cancelled by the test")
	cancel(cause)
	if _, err := ociauth.Resolve(ctx, ociauth.Options{}); !errors.Is(err, cause) || !errors.Is(err, ociauth.ErrCredentials) {
		t.Errorf("error is %v", err)
	}
}

// Printing credentials, in any way, does not show the key.
func TestPrintingShowsNoKey(t *testing.T) {
	id := ociauthtest.Shared()
	dir := folder(t, map[string]string{"config": "[DEFAULT]\n" + profile(id), "key.pem": string(id.PEM())})
	c, err := ociauth.Resolve(t.Context(), ociauth.Options{ConfigFile: filepath.Join(dir, "config")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "api_key from profile [DEFAULT] of " + filepath.Join(dir, "config"); c.String() != want {
		t.Errorf("String() = %s, want %s", c, want)
	}
	assertNoKey(t, c, id)
}

// assertNoKey checks that printing v, in any way, does not show id's key.
func assertNoKey(t *testing.T, v any, id *ociauthtest.Identity) {
	t.Helper()
	var out bytes.Buffer
	wrapped := struct{ v any }{v}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		fmt.Fprintf(&out, verb+verb, v, wrapped)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		t.Logf("json: %v", err)
	}
	text := strings.ToLower(out.String())
	for _, n := range []string{id.Key.D.String(), id.Key.D.Text(16), id.Key.Primes[0].String(), id.Key.Primes[0].Text(16), "private key-"} {
		if strings.Contains(text, n) {
			t.Errorf("the output contains %.20s...", n)
		}
	}
}

// checkCredentialsError checks that err is an ErrCredentials of one line that has
// all of these texts and no secret.
func checkCredentialsError(t *testing.T, err error, want []string) {
	t.Helper()
	if !errors.Is(err, ociauth.ErrCredentials) {
		t.Fatalf("error is %v", err)
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error does not contain %q: %v", text, err)
		}
	}
	if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error contains a secret or a line break: %v", err)
	}
}

// FuzzConfigFile writes a secret into a configuration file, as the value of an entry or
// anywhere else but in a profile's name or in the value of an entry whose value is a path.
// It checks that the error does not show the secret, and that line ends of Windows change
// nothing.
func FuzzConfigFile(f *testing.F) {
	id := ociauthtest.Shared()
	good := "[DEFAULT]\n" + profile(id)
	for _, s := range [][2]string{
		{good + "pass_phrase=", "\n"}, {good + "pass_phrase='", "'\n"}, {good, "\n"}, {good, "=1\ncanary=2\n"}, {"", good}, {"[DEFAULT\n", ""}, {"[a]\n[a]\n", ""},
		{without(good, "user") + "user=", " # x\n"}, {without(good, "user") + "user='", "'\n"}, {"[DEFAULT]\nregion=eu-", ".example.org/"}, {"[DEFAULT]\ntenancy=ocid1.tenancy.oc1..a\nuser=ocid1.", "\nfingerprint=aa\nregion=x\n"},
		{"\ufeff[DEFAULT]\nauthentication_type=", "\n"}, {"[DEFAULT]\nauthentication_type=instance_principal\nfingerprint=", "\x00"}, {"[b]\nuser=", "\n[c]\n"},
	} {
		f.Add(s[0], s[1])
	}
	dir := f.TempDir()
	path, key := filepath.Join(dir, "config"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(key, id.PEM(), 0o600); err != nil {
		f.Fatal(err)
	}
	resolve := func(t *testing.T, text string) string {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "{dir}", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ociauth.Resolve(t.Context(), ociauth.Options{ConfigFile: path})
		if err == nil {
			return c.String()
		}
		checkCredentialsError(t, err, nil)
		return err.Error()
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		line := strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:])
		name, _, _ := strings.Cut(strings.ToLower(line), "=")
		if strings.HasPrefix(line, "[") || strings.HasSuffix(strings.TrimSpace(name), "_file") || len(before)+len(after) > 30000 {
			return
		}
		text := before + "canary" + after
		if unix, windows := resolve(t, text), resolve(t, strings.ReplaceAll(text, "\n", "\r\n")); unix != windows {
			t.Errorf("%q: %s; with line ends of Windows: %s", text, unix, windows)
		}
	})
}
