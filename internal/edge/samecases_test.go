package edge

import (
	"fmt"
	"strings"
)

// sameCase is an answer that Direct and http.Transport must read alike.
type sameCase struct {
	name, method, answer string
	end                  bool // the connection is closed after it
	hangs                bool // it has no end
}

func sameCases() []sameCase {
	const ok, evil = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	const chunked, hi = ok + "Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 2\r\n\r\nhi"
	var all []sameCase
	keep := func(name, answer string) { all = append(all, sameCase{name, "GET", answer, false, false}) }
	ends := func(name, answer string) { all = append(all, sameCase{name, "GET", answer, true, false}) }
	hang := func(name, answer string) { all = append(all, sameCase{name, "GET", answer, false, true}) }
	head := func(name, answer string, end bool) { all = append(all, sameCase{name, "HEAD", answer, end, false}) }

	// Where a body ends.
	keep("plain", ok+hi)
	keep("empty", ok+"Content-Length: 0\r\n\r\n")
	keep("bytes after it", ok+hi+"XXXX")
	keep("two answers", ok+hi+evil)
	keep("an answer after an empty one", ok+"Content-Length: 0\r\n\r\n"+evil)
	ends("two answers, close", ok+hi+evil)
	ends("too short", ok+"Content-Length: 9\r\n\r\nhi")
	hang("too short, open", ok+"Content-Length: 9\r\n\r\nhi")
	ends("until it closes", ok+"\r\nhi")
	hang("until it closes, open", ok+"\r\nhi")
	ends("length empty", ok+"Content-Length: \r\n\r\nhi")
	for _, l := range []string{"-2", "+2", "0x2", "2, 2", "2,3", "2 2", "99999999999999999999", "1e1", "2\t", "02", "2;", "٢", "-0", "2.0"} {
		ends("length "+l, ok+"Content-Length: "+l+"\r\n\r\nhi")
	}
	hang("length max", ok+"Content-Length: 9223372036854775807\r\n\r\nhi")
	keep("length twice", ok+"Content-Length: 2\r\n"+hi)
	keep("two lengths", ok+"Content-Length: 9\r\n"+hi)
	ends("length with a space", ok+"Content-Length : 2\r\n\r\nhi")
	keep("length and chunked", ok+"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	for _, te := range []string{"identity", "gzip, chunked", "chunked, gzip", "chunked, chunked", "\vchunked", "xchunked", "CHUNKED", "chunked ", "chunked;q=1", "\"chunked\"", "", "chunked,", ",chunked"} {
		ends("encoding "+te, ok+"Transfer-Encoding: "+te+"\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	}
	keep("chunked twice", ok+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	ends("HTTP/1.0 chunked", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	keep("HTTP/1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"+hi)
	keep("HTTP/1.0", "HTTP/1.0 200 OK\r\n"+hi)
	keep("says close", ok+"Connection: close\r\n"+hi+evil)
	keep("says both", ok+"Connection: keep-alive, close\r\n"+hi)

	// Chunks.
	for name, body := range map[string]string{
		"": "2\r\nhi\r\n0\r\n\r\n", "bad size": "zz\r\nhi\r\n0\r\n\r\n", "0x": "0x2\r\nhi\r\n0\r\n\r\n", "negative": "-2\r\nhi\r\n0\r\n\r\n",
		"huge": "fffffffffffffffff\r\nhi\r\n0\r\n\r\n", "extension": "2;a=b\r\nhi\r\n0;x\r\n\r\n", "long extension": "2;" + strings.Repeat("a", 5000) + "\r\nhi\r\n0\r\n\r\n",
		"LF": "2\nhi\n0\n\n", "space": "2 \r\nhi\r\n0\r\n\r\n", "leading space": " 2\r\nhi\r\n0\r\n\r\n", "too long": "2\r\nhiX\r\n0\r\n\r\n", "too short": "3\r\nhi\r\n0\r\n\r\n",
		"no end": "2\r\nhi\r\n", "cut in data": "5\r\nhi", "cut in size": "5", "no size": "\r\nhi\r\n0\r\n\r\n", "leading zeros": "0000000002\r\nhi\r\n0\r\n\r\n",
		"many zeros": strings.Repeat("0", 40) + "2\r\nhi\r\n0\r\n\r\n", "end, then an answer": "2\r\nhi\r\n0\r\n\r\n" + evil, "half an end": "2\r\nhi\r\n0\r\n", "CR in the size": "2\r\r\nhi\r\n0\r\n\r\n",
		"many small": strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 500) + "0\r\n\r\n", "NUL": "2\x00\r\nhi\r\n0\r\n\r\n",
	} {
		ends("chunk "+name, chunked+body)
	}
	keep("chunk, open", chunked+"2\r\nhi\r\n0\r\n\r\n")
	keep("chunk end, then an answer, open", chunked+"2\r\nhi\r\n0\r\n\r\n"+evil)
	hang("chunk half an end, open", chunked+"2\r\nhi\r\n0\r\n")

	// Trailers.
	keep("trailers", ok+"Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-A: 1\r\nSet-Cookie: a=b\r\n\r\n")
	keep("trailer said and not sent", ok+"Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	ends("trailer of 5000 bytes", chunked+"2\r\nhi\r\n0\r\nX-A: "+strings.Repeat("a", 5000)+"\r\n\r\n")
	ends("trailers without end", chunked+"2\r\nhi\r\n0\r\n"+strings.Repeat("X-A: b\r\n", 5000))
	ends("trailer of an encoding", ok+"Trailer: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	ends("trailer without colon", chunked+"2\r\nhi\r\n0\r\nX\r\n\r\n")
	ends("trailers with a length", ok+"Trailer: X-A\r\n"+hi)

	// Statuses.
	for _, s := range []string{"000 x", "001 x", "050 x", "099 x", "199 E", "999 x", "1000 x", "20 x", "-99 x", "+20 x", "+100 x", "2 0 x", "2xx", "200", "200 ", " 200 x", "200\tx", "0200 x", "١٢٣", "", "1e2 x"} {
		ends("status "+s, "HTTP/1.1 "+s+"\r\n"+hi)
	}
	keep("000, then an answer", "HTTP/1.1 000 x\r\n\r\n"+ok+hi)
	keep("050, an answer in its body", "HTTP/1.1 050 x\r\nContent-Length: 41\r\n\r\n"+evil)
	keep("204 with a body", "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil")
	keep("204 chunked", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	keep("204", "HTTP/1.1 204 No\r\n\r\n")
	keep("205 with a body", "HTTP/1.1 205 R\r\n"+hi)
	keep("304 with a body", "HTTP/1.1 304 N\r\nContent-Length: 4\r\n\r\nevil")
	keep("304", "HTTP/1.1 304 N\r\n\r\n")
	ends("408", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	for _, p := range []string{"HTTP/0.9", "HTTP/2.0", "HTTP/3.7", "HTTP/1.2", "HTTP/1.10", "http/1.1", "HTTP/11", "HTTP/1.1 ", "HTTP", "XHTTP/1.1", "HTTP/01.1"} {
		ends("protocol "+p, p+" 200 OK\r\n"+hi)
	}
	ends("hello", "hello")
	ends("nothing", "")
	keep("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	keep("CRLF first", "\r\n"+ok+hi)

	// Informational answers.
	keep("100", "HTTP/1.1 100 C\r\n\r\n"+ok+hi)
	keep("100 with a body", "HTTP/1.1 100 C\r\n"+hi+ok+hi)
	keep("102 chunked", "HTTP/1.1 102 E\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"+ok+hi)
	keep("103, close, 200", "HTTP/1.1 103 E\r\nConnection: close\r\n\r\n"+ok+hi)
	keep("all of them", "HTTP/1.1 100 C\r\nA: b\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\nLink: </b>\r\n\r\n"+ok+hi)
	ends("103 alone", "HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n")
	hang("103 alone, open", "HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n")
	ends("103, and nonsense", "HTTP/1.1 103 E\r\n\r\ngarbage\r\n\r\n")
	ends("103 of HTTP/1.0", "HTTP/1.0 103 E\r\n\r\n"+ok+hi)
	keep("103 x 50", strings.Repeat("HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n", 50)+ok+hi)
	keep("103 x 1000", strings.Repeat("HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n", 1000)+ok+hi)
	keep("101", "HTTP/1.1 101 S\r\n\r\n")
	keep("101 to a WebSocket", "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw")
	keep("103, 101", "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 101 S\r\n\r\n")

	// Header lines.
	for name, line := range map[string]string{
		"folded": "X-A: a\r\n b", "folded twice": "X-A: a\r\n\tb\r\n c", "folded first": " X-A: a", "no colon": "X-A", "no name": ": x", "NUL": "X-A: a\x00b", "CR": "X-A: a\rSet-Cookie: b=c", "CR at the end": "X-A: a\r",
		"space in the name": "X A: b", "space after the name": "X-A : b", "8 bits in the name": "X\xe9A: b", "8 bits": "X-A: \xe9", "DEL": "X-A: a\x7f", "control": "X-A: a\x01b", "repeated": "X-A: a\r\nX-A: b\r\nx-a: c", "lower case": "x-a: b",
		"underscore": "x_a: b", "spaces around": "X-A: \t b \t", "empty": "X-A:", "Pragma": "Pragma: no-cache", "a colon": "X-A: b: c", "long": "X-A: " + strings.Repeat("x", 5000), "very long": "X-A: " + strings.Repeat("x", 70<<10), "gzip": "Content-Encoding: gzip",
		"60 KB": "X-A: " + strings.Repeat("x", 60<<10), "Trailer of nonsense": "Trailer: a b, ,c",
	} {
		keep("line "+name, ok+line+"\r\n"+hi)
	}
	keep("bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi")
	keep("LF and CRLF", "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\n\r\nhi")
	keep("CR CR LF", ok+"Content-Length: 2\r\n\r\r\nhi")
	keep("200 headers", ok+strings.Repeat("A: b\r\n", 200)+hi)
	keep("10000 headers", ok+strings.Repeat("A: b\r\n", 10_000)+hi)
	keep("at the limit, with a body", ok+"X: "+strings.Repeat("x", sameLimit-4*headerLine-60)+"\r\nContent-Length: 200\r\n\r\n"+strings.Repeat("y", 200))
	keep("a large body", ok+"Content-Length: 200000\r\n\r\n"+strings.Repeat("y\n", 100_000))

	// HEAD.
	head("HEAD", ok+"Content-Length: 4\r\n\r\n", false)
	head("HEAD with a body", ok+"Content-Length: 4\r\n\r\nevil", false)
	head("HEAD with an answer as a body", ok+"Content-Length: 43\r\n\r\n"+evil, false)
	head("HEAD chunked", ok+"Transfer-Encoding: chunked\r\n\r\n", false)
	head("HEAD chunked with a body", chunked+"2\r\nhi\r\n0\r\n\r\n", false)
	head("HEAD without a length", ok+"\r\n", false)
	head("HEAD without a length, close", ok+"\r\n", true)
	head("HEAD of length -1", ok+"Content-Length: -1\r\n\r\n", false)
	head("HEAD of two lengths", ok+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", false)
	head("HEAD with trailers", ok+"Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n", false)
	head("HEAD 204", "HTTP/1.1 204 N\r\n\r\n", false)
	head("HEAD HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n", true)

	// Closed early.
	full := ok + "Content-Length: 5\r\nX-A: b\r\n\r\nhello"
	for i := 0; i <= len(full); i += 3 {
		ends(fmt.Sprint("closed at byte ", i), full[:i])
	}
	return all
}
