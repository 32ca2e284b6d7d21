package registry

import (
	"strings"
	"testing"
)

func TestSchema(t *testing.T) {
	s := Schema{Fields: []Field{
		{Name: "MODEL_KEY", Type: FieldSecret}, {Name: "MODEL_URL", Type: FieldURL}, {Name: "ALERTS_TO", Type: FieldEmail},
		{Name: "LIMIT", Type: FieldNumber}, {Name: "BETA", Type: FieldBool}, {Name: "SIZE", Type: FieldChoice, Options: []string{"s", "m"}, Default: "s"},
	}, Allow: []string{"APP_*", "EXACT"}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][2]string{ // good, bad
		"MODEL_URL": {"https://example.com/v1", "example.com"}, "ALERTS_TO": {"a@example.com", "nobody"}, "LIMIT": {"1.5", "many"},
		"BETA": {"true", "perhaps"}, "SIZE": {"m", "xl"}, "APP_X": {"anything", strings.Repeat("x", SettingMax+1)}, "EXACT": {"x", "x\x00"}, "MODEL_KEY": {" kept as it is ", "x\x00"},
	} {
		if got, err := s.Clean(name, values[0]); err != nil || got != values[0] {
			t.Errorf("%s=%q: %q %v", name, values[0], got, err)
		}
		if _, err := s.Clean(name, values[1]); ErrorCode(err) != CodeInvalid {
			t.Errorf("%s=%.20q: %v", name, values[1], err)
		}
	}
	for value, ok := range map[string]bool{
		"0": true, "-1.5e3": true, "+2": true, ".5": true, "NaN": false, "nan": false, "Inf": false, "-inf": false, "+Infinity": false,
		"0x1p-2": false, "0x10": false, "1_000": false, "1e400": false, "1e": false, "": false, "e": false, "1,5": false, "\u0661": false,
	} {
		if _, err := s.Clean("LIMIT", value); (err == nil) != ok {
			t.Errorf("%q as a number: %v", value, err)
		}
	}
	for _, name := range []string{"OTHER", "EXACTLY", "lower", "LD_PRELOAD", "PATH", "PIZZERIA_ORG_ID", "NODE_OPTIONS", "GODEBUG", "", "A-B", "A=B", "1A"} {
		if _, err := s.Clean(name, "x"); ErrorCode(err) != CodeInvalid {
			t.Errorf("%s is a setting: %v", name, err)
		}
	}
	for _, bad := range []Schema{
		{Allow: []string{"*"}}, {Allow: []string{"LD_*"}}, {Allow: []string{"a*"}}, {Fields: []Field{{Name: "PATH", Type: FieldText}}},
		{Fields: []Field{{Name: "A", Type: "colour"}}}, {Fields: []Field{{Name: "A", Type: FieldChoice}}}, {Fields: []Field{{Name: "A", Type: FieldText, Options: []string{"x"}}}},
		{Fields: []Field{{Name: "A", Type: FieldSecret, Default: "x"}}}, {Fields: []Field{{Name: "A", Type: FieldNumber, Default: "x"}}}, {Fields: []Field{{Name: "A", Type: FieldText}, {Name: "A", Type: FieldText}}},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v is a schema", bad)
		}
	}
}

// TestUnsafeNames: what loaders, shells, runtimes and common libraries obey is no setting, neither
// stated nor by a pattern that the operator allows; ordinary names of apps are.
func TestUnsafeNames(t *testing.T) {
	var every []string
	for c := 'A'; c <= 'Z'; c++ {
		every = append(every, string(c)+"*")
	}
	s := Schema{Allow: every} // as if patterns were not checked
	for _, name := range strings.Fields(`
		LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES GCONV_PATH MALLOC_CONF
		SHELLOPTS BASHOPTS BASH_ENV BASH_FUNC_X PS4 PROMPT_COMMAND ENV IFS CDPATH ZDOTDIR INPUTRC LESSOPEN PAGER EDITOR
		GIT_SSH_COMMAND GIT_EXEC_PATH SSH_ASKPASS LUA_INIT LUA_INIT_5_4 LUA_PATH LUA_CPATH PHP_INI_SCAN_DIR PHPRC
		ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS ELIXIR_ERL_OPTIONS RELX_CONFIG_PATH
		CLASSPATH JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS JAVA_OPTS CATALINA_OPTS SPRING_CONFIG_LOCATION LOADER_PATH
		NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NPM_CONFIG_PREFIX BUN_INSPECT DENO_DIR TS_NODE_PROJECT ELECTRON_RUN_AS_NODE
		PYTHONPATH PYTHONSTARTUP PYTHONHOME PIP_INDEX_URL UWSGI_EXEC_PRE_APP GUNICORN_CMD_ARGS
		PERL5OPT PERL5LIB PERLLIB RUBYOPT RUBYLIB GEM_PATH BUNDLE_GEMFILE
		DOTNET_STARTUP_HOOKS COR_PROFILER CORECLR_PROFILER_PATH ASPNETCORE_HOSTINGSTARTUPASSEMBLIES
		R_PROFILE R_HOME JULIA_LOAD_PATH OCAMLRUNPARAM CAMLRUNPARAM GHCRTS GUILE_LOAD_PATH TCLLIBPATH
		GODEBUG GOFLAGS GOTRACEBACK GOMEMLIMIT GO111MODULE RUSTC_WRAPPER RUSTFLAGS CARGO_HOME
		HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY NO_PROXY GRPC_PROXY SSL_CERT_FILE SSLKEYLOGFILE OPENSSL_CONF
		OPENSSL_MODULES CURL_CA_BUNDLE REQUESTS_CA_BUNDLE KRB5_CONFIG AWS_CONFIG_FILE KUBECONFIG DOCKER_CONFIG
		HOSTALIASES LOCALDOMAIN RES_OPTIONS RESOLV_HOST_CONF LOCPATH NLSPATH GETCONF_DIR TZDIR TMPDIR
		XDG_CONFIG_HOME LISTEN_FDS NOTIFY_SOCKET GTK_MODULES QT_PLUGIN_PATH GIO_EXTRA_MODULES MAGICK_CONFIGURE_PATH
		ODBCSYSINI PGSERVICEFILE PATH HOME PORT USER SHELL PIZZERIA_ORG_ID`) {
		if _, err := s.Clean(name, "x"); ErrorCode(err) != CodeInvalid {
			t.Errorf("%s can be allowed: %v", name, err)
		}
		if err := (Schema{Fields: []Field{{Name: name, Type: FieldText}}}).Check(); err == nil {
			t.Errorf("%s can be stated", name)
		}
	}
	for _, name := range []string{"http_proxy", "_JAVA_OPTIONS", "ld_preload", "Path"} {
		if _, err := s.Clean(name, "x"); ErrorCode(err) != CodeInvalid {
			t.Errorf("%s can be allowed: %v", name, err)
		}
	}
	for _, name := range strings.Fields(`
		OPENAI_API_KEY ANTHROPIC_API_KEY GOOGLE_API_KEY GITHUB_TOKEN DATABASE_URL REDIS_URL SMTP_HOST S3_BUCKET
		AWS_ACCESS_KEY_ID AWS_REGION LOG_LEVEL APP_NAME FEATURE_X MAIL_FROM STRIPE_KEY SENTRY_DSN TZ PGHOST
		OTEL_SERVICE_NAME SPRING_DATASOURCE_URL RATE_LIMIT LOCALE REPLY_TO MODEL APP_OPTIONS`) {
		if _, err := s.Clean(name, "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, pattern := range []string{"*", "A*", "APP*", "S*", "A_*", "HTTP*", "LD_*", "NODE_*", "GIT*", "PS*", "APP_**", "APP_*_X"} {
		if err := (Schema{Allow: []string{pattern}}).Check(); err == nil {
			t.Errorf("the pattern %s is allowed", pattern)
		}
	}
	if err := (Schema{Allow: []string{"APP_*", "MY_APP_*", "EXACT"}}).Check(); err != nil {
		t.Error(err)
	}
}
