package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// besideHung prints how long sign-ins take where Redis hangs, and where there is none, in turn.
func besideHung(r *redisServer, binary string, n int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	process := fmt.Sprintf("process {\n\t\t\tcommand %s upstream\n\t\t}", self)
	var both [2]*servers
	for i, lines := range []string{process, process + fmt.Sprintf("\n\t\tredis {\n\t\t\turl %s\n\t\t}", r.url(r.port))} {
		s, err := startOurs(binary, lines)
		if err != nil {
			return err
		}
		defer s.stop()
		if err := fill(filepath.Join(s.dir, "ours/data/pizzeria.db"), n, map[string]string{"{now}": fmt.Sprint(time.Now().UnixMicro())},
			`INSERT INTO users (id, email, name, password_hash, created_at) SELECT printf('01890000-0005-7000-8000-%012x', i), printf('crowd-%d@example.com', i), 'Somebody', (SELECT password_hash FROM users WHERE email = '`+email+`'), {now} FROM n`,
		); err != nil {
			return err
		}
		both[i] = s
	}
	var took [2][]time.Duration
	for i := range n {
		if i == n/10 {
			if err := r.hang(); err != nil {
				return err
			}
		}
		for k := range both {
			k ^= i % 2 // neither is always the first
			s := both[k]
			c := s.from(i)
			if _, _, err := s.do(c, "GET", s.url("")+"/healthz", "", nil); err != nil { // the connection is not the sign-in's
				return err
			}
			began := time.Now()
			code, err := s.signInAs(c, i)
			if err != nil || code != http.StatusSeeOther {
				return fmt.Errorf("sign-in: %d %w", code, err)
			}
			if i >= n/10 {
				took[k] = append(took[k], time.Since(began))
			}
			c.CloseIdleConnections()
		}
		time.Sleep(50 * time.Millisecond) // within the limits
	}
	printRow("sign-in without Redis", took[0])
	printRow("sign-in, Redis hangs from the first of them on", took[1])
	return nil
}
