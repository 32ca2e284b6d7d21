package registry

import (
	"regexp"
	"slices"
	"strings"
)

var settingName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// unsafeFamilies are beginnings of variables that loaders, shells, language runtimes and common
// libraries obey: whoever sets one runs code of their own in front of the app's, or leads its
// connections elsewhere. Names are upper case, so that http_proxy is none.
var unsafeFamilies = strings.Fields(`
	PIZZERIA_ LD_ DYLD_ LIBPATH SHLIB_PATH OBJC_ GLIBC_ GCONV_ MALLOC_ TCMALLOC_ GCOV_ NIX_
	ASAN_ LSAN_ MSAN_ TSAN_ UBSAN_ LLVM_ VALGRIND_
	BASH KSH_ ZSH_ FISH_ SUDO_ SSH_ XDG_ DBUS_ SYSTEMD_ LISTEN_ WATCHDOG_ LESS TERMINFO
	GIT_ HG SVN_ CVS_
	NODE_ NPM_ NVM_ BUN_ DENO_ YARN_ PNPM_ COREPACK_ TS_NODE_ ELECTRON_ ESBUILD_ PUPPETEER_ PLAYWRIGHT_
	PYTHON PIP_ PIPENV_ POETRY_ CONDA_ VIRTUALENV_ UWSGI_ GUNICORN_ WERKZEUG_ FLASK_ JUPYTER_ IPYTHON
	PERL RUBY GEM_ BUNDLE_ BUNDLER_ RBENV_ IRB
	JAVA JDK_ JRE_ JVM_ IBM_JAVA_ OPENJ9_ MAVEN_ GRADLE_ CATALINA_ JBOSS_ SPRING_CONFIG_ LOADER_ SBT_ SCALA_ KOTLIN_ CLOJURE_
	DOTNET_ COR_ CORECLR_ COMPLUS_ ASPNETCORE_HOSTINGSTARTUP MONO_ NUGET_ MSBUILD
	PHP COMPOSER_ LUA LUAROCKS_ ERL_ ELIXIR_ MIX_ REBAR_ RELX_ RELEASE_ R_ JULIA_ OCAML CAML GHC CABAL_
	GUILE_ TCL TK_ AWK CGO_ RUSTC RUSTFLAGS RUSTUP_ CARGO_ SWIFT_ CMAKE_ PKG_CONFIG MAKE
	SSL_ SSLKEYLOGFILE OPENSSL_ GNUTLS_ NSS_ CURL_ REQUESTS_CA_ KRB5 GSSAPI_ SASL_
	RES_ RESOLV_ LOCALDOMAIN HOSTALIASES GETCONF_DIR NLSPATH LOCPATH
	DOCKER_ CONTAINERD_ BUILDKIT_ KUBE HELM_ TF_ ANSIBLE_
	QT_ GTK GIO_ GST_ GDK_ GI_ MAGICK_ GS_ FONTCONFIG_ LIBGL_ MESA_ VK_ OCL_ GDAL_ HDF5_
	ODBC TNS_ ORACLE_HOME LDAPCONF LDAPRC MYSQL_HOME PGSERVICEFILE PGSYSCONFDIR
	AWS_CONFIG_ AWS_SHARED_ AWS_CA_ AWS_ENDPOINT CLOUDSDK_ GNUPGHOME BOTO_CONFIG`)

// unsafeNames are single variables of that sort, and those that the provider sets itself.
var unsafeNames = strings.Fields(`
	PATH HOME SHELL PORT TMPDIR TMP TEMP USER LOGNAME PWD OLDPWD ENV IFS CDPATH FPATH FCEDIT MAILPATH
	SHELLOPTS PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 GLOBIGNORE EXECIGNORE INPUTRC ZDOTDIR HISTFILE POSIXLY_CORRECT
	EDITOR VISUAL PAGER MANPAGER BROWSER TERMCAP TERMPATH TERM_PROGRAM
	CLASSPATH CC CXX CPP AR AS LD NM STRIP RANLIB CFLAGS CXXFLAGS CPPFLAGS LDFLAGS
	TZDIR NOTIFY_SOCKET NIS_PATH GMON_OUT_PREFIX CHROME_PATH DJANGO_SETTINGS_MODULE SPRING_APPLICATION_JSON
	LOGGING_CONFIG NETRC WGETRC SQLITE_TMPDIR JAVAOPTS CLICOLOR_FORCE`)

// goNames are those of Go and its tools, such as GODEBUG and GOFLAGS; GOOGLE_API_KEY is none.
var goNames = regexp.MustCompile(`^GO[A-Z0-9]*$`)

// CheckSettingName returns a CodeInvalid error when a variable cannot be a setting at all.
func CheckSettingName(name string) error {
	switch {
	case !settingName.MatchString(name):
		return Errorf(CodeInvalid, name, "%q is not a name of a variable: use up to 64 capital letters, digits and underscores, beginning with a letter", name)
	case unsafeName(name):
		return Errorf(CodeInvalid, name, "%s cannot be a setting: loaders, language runtimes or the server itself obey it", name)
	}
	return nil
}

func unsafeName(name string) bool {
	return slices.Contains(unsafeNames, name) || goNames.MatchString(name) ||
		strings.HasSuffix(name, "_PROXY") || name == "PROXY" ||
		slices.ContainsFunc(unsafeFamilies, func(f string) bool { return strings.HasPrefix(name, f) })
}

// checkAllow checks a pattern of names that the operator allows. A star follows an underscore, so
// that a pattern is one app's own prefix and no initial of everybody's variables.
func checkAllow(pattern string) error {
	prefix, star := strings.CutSuffix(pattern, "*")
	if err := CheckSettingName(prefix); err != nil {
		return err
	}
	if star && (!strings.HasSuffix(prefix, "_") || len(prefix) < 3) {
		return Errorf(CodeInvalid, pattern, "%q allows too much: write a prefix of the app's own that ends with an underscore, such as APP_*", pattern)
	}
	return nil
}
