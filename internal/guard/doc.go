// Package guard bounds what clients without a session can take of the front
// door: connections, requests in flight, and the memory of request heads. All
// three are counted per address (an IPv4 address, or an IPv6 /64) and in total.
//
// A connection counts until it has carried a session. From then on it is free:
// thousands of people behind one address do not share one allowance.
//
// The package works at three places, since each costs memory before the next
// one can see it:
//
//   - accept: connections are counted, and closed while idle;
//   - read: a request head is charged before the HTTP server parses it. HTTP/2
//     heads are charged at their decoded size (HPACK makes a kilobyte of a byte);
//   - handler: requests are counted, and headers too large to keep are dropped.
//
// It knows net/http and nothing of Caddy.
package guard
