// Command box is what test images hold: the test instance, and what misbehaves.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/pizzaface/pizzeria/provision/providertest"
)

func main() {
	if len(os.Args) < 2 {
		providertest.Instance()
		return
	}
	n := 0
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	switch os.Args[1] {
	case "eat": // memory, in MiB
		var all [][]byte
		for range n {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
		}
		fmt.Println("ate", len(all))
	case "breed": // processes
		bred := 0
		for range n {
			c := exec.Command("/box", "sleep")
			if c.Start() != nil {
				break
			}
			bred++
		}
		fmt.Println("bred", bred, "of", n)
		time.Sleep(time.Hour) // with them all
	case "burn": // processors
		runtime.GOMAXPROCS(n)
		for range n {
			go func() {
				for {
				}
			}()
		}
		select {}
	case "fetch": // addresses, as an app does that knows of proxies
		for _, url := range os.Args[2:] {
			res, err := http.Get(url) //nolint:gosec // a test's
			if err != nil {
				fmt.Println("fetched", url, err)
				continue
			}
			b, _ := io.ReadAll(io.LimitReader(res.Body, 100))
			fmt.Println("fetched", url, res.StatusCode, string(b))
		}
	case "redis":
		countAtRedis(os.Args[2])
	case "open": // files, in so many processes
		open(n)
	case "open-all":
		openAll()
	case "put":
		for _, words := range split(os.Args[2:]) {
			report(put(words[0], words[1], words[2:]...))
		}
	case "lie":
		report(lie(os.Args[2], os.Args[3]))
	case "sleep":
		time.Sleep(time.Hour)
	}
}

func report(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
