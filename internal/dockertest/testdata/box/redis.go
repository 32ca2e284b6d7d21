package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"time"
)

// countAtRedis counts on at the URL that an instance finds, whatever happens to the server.
func countAtRedis(key string) {
	u, err := url.Parse(os.Getenv("PIZZERIA_REDIS_URL"))
	report(err)
	fmt.Println("counting at", u)
	password, _ := u.User.Password()
	for ; ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			continue
		}
		_, _ = fmt.Fprintf(c, "AUTH %s %s\r\nINCR %s\r\nQUIT\r\n", u.User.Username(), password, key)
		_, _ = c.Read(make([]byte, 100))
		_ = c.Close()
	}
}
