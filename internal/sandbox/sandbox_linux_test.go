package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The test binary is its own helper.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "sandbox" {
		if err := Enter(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// place is where sandboxes of a test have their files.
type place struct {
	*testing.T
	way    Way
	uid    int
	helper Helper
	dir    string // of all
	own    string // what the sandbox may write
}

// inEachWay runs a test in all ways that this user has. Root also runs it as somebody else.
func inEachWay(t *testing.T, test func(*place)) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if way, why := (Helper{self, "sandbox"}).Probe(); way == None {
		lacking(t, why)
	}
	if os.Geteuid() != 0 {
		t.Run("namespaces", func(t *testing.T) { test(newPlace(t, Namespaces, os.Geteuid(), self)) })
		return
	}
	t.Run("users", func(t *testing.T) { test(newPlace(t, Users, FirstUID+4711, self)) })
	t.Run("as somebody else", func(t *testing.T) {
		if restricted() {
			lacking(t, errors.New("AppArmor keeps namespaces from users: set kernel.apparmor_restrict_unprivileged_userns to 0"))
		}
		binary := filepath.Join(open(t), "test")
		copyFile(t, self, binary)
		cmd := exec.Command(binary, "-test.run", "^"+strings.Split(t.Name(), "/")[0]+"$", "-test.v")
		cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "/namespaces") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// lacking skips a test, or fails it where isolation is required.
func lacking(t *testing.T, why error) {
	t.Helper()
	if strings.Contains(","+os.Getenv("PIZZERIA_TEST_REQUIRE")+",", ",isolation,") {
		t.Fatal(why)
	}
	t.Skip(why)
}

// restricted reports whether AppArmor keeps namespaces from users, as on Ubuntu.
func restricted() bool {
	b, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// open returns a directory that everybody may enter.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newPlace(t *testing.T, way Way, uid int, self string) *place {
	p := &place{T: t, way: way, uid: uid, helper: Helper{self, "sandbox"}, dir: open(t)}
	p.own = p.mkdir("own")
	return p
}

// mkdir makes a directory of the sandbox's user.
func (p *place) mkdir(name string) string {
	p.Helper()
	dir := filepath.Join(p.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.Fatal(err)
	}
	if err := os.Lchown(dir, p.uid, p.uid); err != nil {
		p.Fatal(err)
	}
	return dir
}

func (p *place) file(name, text string) string {
	p.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
	return path
}

func (p *place) spec(script string) Spec {
	return Spec{
		UID: p.uid, Write: []string{p.own}, Home: p.own, Host: "acme", Dir: p.own, Temporary: 1 << 20,
		Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
	}
}

// run returns what a script prints in a sandbox.
func (p *place) run(script string, change ...func(*Spec)) string {
	p.Helper()
	s := p.spec(script)
	for _, c := range change {
		c(&s)
	}
	out, err := os.Create(filepath.Join(p.dir, "out"))
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd, err := p.helper.Start(p.way, s, func(int) error { return nil }, out)
	if err != nil {
		p.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b, _ := os.ReadFile(out.Name())
		p.Fatalf("%v: %s", err, b)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		p.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// fails runs commands in a sandbox; each must fail.
func (p *place) fails(commands []string, change ...func(*Spec)) {
	p.Helper()
	for _, c := range commands {
		if got := p.run(fmt.Sprintf("( %s ) >/dev/null 2>&1 && echo done || echo failed", c), change...); got != "failed" {
			p.Errorf("%q is %s", c, got)
		}
	}
}

// TestProbe: the way that works here is found, and the reason why none does.
func TestProbe(t *testing.T) {
	inEachWay(t, func(p *place) {
		if way, err := p.helper.Probe(); way != p.way || err != nil {
			p.Errorf("%s %v, want %s", way, err, p.way)
		}
		for _, other := range []string{"/bin/false", "/bin/true", "/bin/echo", "/bin/nothing"} {
			if way, err := (Helper{other}).Probe(); way != None || err == nil {
				p.Errorf("with %s: %s %v", other, way, err)
			}
		}
	})
}

// TestNothingElseIsThere: files, processes, users and the network of the machine.
func TestNothingElseIsThere(t *testing.T) {
	inEachWay(t, func(p *place) {
		secret := p.file("other/secret", "basil")
		p.fails([]string{
			"cat " + secret, "ls " + filepath.Dir(secret), "ls " + p.dir + "/out", "cat /etc/shadow", "ls /root", "ls /home/*", "ls /boot",
			"ls /sys/*", "ls /run/*", "ls /var/lib", "ls /etc/ssh", "ls /etc/caddy", "cat /proc/kcore", "cat /proc/2/environ", "kill -0 2",
			"ls /proc/1/root/home", "cat /dev/sda", "ls /dev/vda", "ls /dev/kmsg", "ls /dev/mem", "ls /dev/fuse",
		})
		if got := p.run("cat /proc/self/status | grep -E '^Pid|^PPid' | tr -d '\\t\\n'; hostname; ls /proc | grep -c '^[0-9]'"); !strings.HasPrefix(got, "Pid:") || !strings.Contains(got, "acme") {
			p.Errorf("%s", got)
		}
		if got := p.run("echo $$; grep -c : /proc/net/dev"); got != "1\n1" {
			p.Errorf("process ID and interfaces: %q", got)
		}
		if got := p.run("cut -d' ' -f5 /proc/self/mountinfo | sort -u | grep -cE '^/(sys|run|boot|home)'; true"); got != "0" {
			p.Errorf("mounts of the machine: %s", got)
		}
		if p.way == Users {
			was, err := syscall.Getgroups()
			if err == nil {
				err = syscall.Setgroups([]int{4711})
			}
			if err != nil {
				p.Fatal(err)
			}
			defer func() { _ = syscall.Setgroups(was) }()
		}
		if got := p.run("id -u; id -G"); got != fmt.Sprintf("%[1]d\n%[1]d", p.uid) && p.way == Users {
			p.Errorf("user and groups: %q", got)
		}
	})
}

// TestOnlyItsOwnIsWritten: and it stays when the sandbox has gone.
func TestOnlyItsOwnIsWritten(t *testing.T) {
	inEachWay(t, func(p *place) {
		app := p.file("app/code", "code")
		reads := func(s *Spec) { s.Read = Same(filepath.Dir(app)) }
		p.fails([]string{
			"touch /x", "touch /usr/x", "touch /etc/x", "touch /dev/x", "touch /proc/x", "touch /var/x", "echo x > " + app, "rm " + app,
			"echo x > /etc/passwd", "mkdir /run/x", "echo 1 > /proc/sys/kernel/panic", "echo b > /proc/sysrq-trigger", "mknod " + p.own + "/null c 1 3",
		}, reads)
		if got := p.run("cat "+app+"; echo basil > file; cp /bin/sh /tmp/sh; /tmp/sh -c 'echo runs'; touch /var/tmp/x /dev/shm/x; head -c 10 /dev/urandom | wc -c; echo x > /dev/null", reads); got != "coderuns\n10" {
			p.Errorf("%s", got)
		}
		if b, err := os.ReadFile(filepath.Join(p.own, "file")); err != nil || string(b) != "basil\n" {
			p.Errorf("%q %v", b, err)
		}
	})
}

// TestUmask: it is of no account which one the server has.
func TestUmask(t *testing.T) {
	inEachWay(t, func(p *place) {
		program := filepath.Join(p.dir, "a/b/sh")
		p.file("a/b/sh", "#!/bin/sh\necho runs; ls /tmp\n")
		if err := os.Chmod(program, 0o755); err != nil {
			p.Fatal(err)
		}
		defer syscall.Umask(syscall.Umask(0o077))
		if got := p.run(program, func(s *Spec) { s.Read = Same(program) }); !strings.HasPrefix(got, "runs") {
			p.Error(got)
		}
	})
}

// TestHidden: what is hidden within something shown.
func TestHidden(t *testing.T) {
	inEachWay(t, func(p *place) {
		code := p.file("app/code", "code")
		secret := p.file("app/data/secret", "basil")
		keys := p.file("app/data/keys/jwks", "keys")
		p.own = p.mkdir("app/data/orgs/own")
		change := func(s *Spec) {
			s.Read = Same(filepath.Dir(code), filepath.Dir(keys))
			s.Hide = []string{filepath.Join(p.dir, "app/data")}
		}
		p.fails([]string{"cat " + secret, "touch " + filepath.Dir(keys) + "/x", "touch " + filepath.Dir(secret) + "/x"}, change)
		if got := p.run("cat "+code+" "+keys+"; ls "+filepath.Dir(secret)+"; touch "+p.own+"/x && echo done", change); got != "codekeyskeys\norgs\ndone" {
			p.Errorf("%s", got)
		}
	})
}

// TestNoWayToPrivileges: no capability, none to get, and no system call for administrators.
func TestNoWayToPrivileges(t *testing.T) {
	inEachWay(t, func(p *place) {
		got := p.run("grep -E '^(Cap...|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t' ' '")
		want := "CapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2"
		if got != want {
			p.Errorf("%s", got)
		}
		p.fails([]string{
			"unshare -Ur true", "unshare -m true", "unshare -n true", "mount -t tmpfs x /tmp", "umount /tmp", "chroot / true", "nsenter -t 1 -m true", "su -c true", "setpriv --reuid 0 true", "hostname x",
			"ip link set lo down",
		})
	})
}

// TestLimits: memory file systems and processes are bounded.
func TestLimits(t *testing.T) {
	inEachWay(t, func(p *place) {
		p.fails([]string{"head -c 3000000 /dev/zero > /tmp/x", "head -c 3000000 /dev/zero > /dev/shm/x", "i=0; while [ $i -lt 3000 ]; do : > /tmp/$i || exit 1; i=$((i+1)); done"})
		if p.way == Namespaces {
			p.fails([]string{"i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done"}, func(s *Spec) { s.Processes = 20 })
		}
	})
}

// TestNetwork: the machine's, or a loopback interface of its own.
func TestNetwork(t *testing.T) {
	inEachWay(t, func(p *place) {
		ours, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			p.Fatal(err)
		}
		if got := p.run("readlink /proc/self/ns/net"); got == ours {
			p.Error("it has the machine's network")
		}
		if got := p.run("readlink /proc/self/ns/net", func(s *Spec) { s.Network = true }); got != ours {
			p.Errorf("it has another network: %s", got)
		}
		if got := p.run("cat /etc/hosts; grep -q 127.0.0.1 /proc/net/fib_trie && echo up"); !strings.Contains(got, "127.0.0.1 localhost acme") || !strings.HasSuffix(got, "up") {
			p.Errorf("%s", got)
		}
	})
}

// TestInherited: the program gets the files that it is to get, and no others.
func TestInherited(t *testing.T) {
	inEachWay(t, func(p *place) {
		first, err := os.Open(p.file("first", "first"))
		if err != nil {
			p.Fatal(err)
		}
		defer func() { _ = first.Close() }()
		second, err := os.Open(p.file("second", "second"))
		if err != nil {
			p.Fatal(err)
		}
		defer func() { _ = second.Close() }()
		out, err := os.Create(filepath.Join(p.dir, "out"))
		if err != nil {
			p.Fatal(err)
		}
		defer func() { _ = out.Close() }()
		s := p.spec("cat <&3; cat <&4; for fd in /proc/$$/fd/*; do [ -e $fd ] && echo -n ' '${fd##*/}; done; true")
		cmd, err := p.helper.Start(p.way, s, func(int) error { return nil }, out, first, second)
		if err == nil {
			err = cmd.Wait()
		}
		if b, _ := os.ReadFile(out.Name()); err != nil || string(b) != "firstsecond 0 1 2 3 4" {
			p.Errorf("%q %v", b, err)
		}
	})
}

// TestNotPlaced: what cannot be placed does not run.
func TestNotPlaced(t *testing.T) {
	inEachWay(t, func(p *place) {
		s := p.spec("touch " + p.own + "/ran")
		if _, err := p.helper.Start(p.way, s, func(int) error { return os.ErrPermission }, os.Stderr); err == nil {
			p.Error("no error")
		}
		if _, err := os.Stat(filepath.Join(p.own, "ran")); err == nil {
			p.Error("it ran")
		}
	})
}
