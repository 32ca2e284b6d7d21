// Command bench measures Pizzeria beside plain Caddy, in one run: the same
// requests over the same connections to the same upstream process, through
//
//   - org_gateway, with a signed-in person's session,
//   - plain reverse_proxy as Caddy comes,
//   - plain reverse_proxy with the transport tuned as ours is,
//   - the first plain one again, which shows the noise of the machine.
//
// They take turns in short rounds, and every figure is the median of rounds.
// Load and servers share the machine, so only ratios mean something. It also
// times an org from its creation to the first page that a person sees, the
// switch of a signed-in person to another org, signing in, alone and in a crowd, revocations, and the console's pages; and it compares 100,000
// orgs with ten, an org beside a saturated one and beside a flood of unknown hosts with itself alone, idle WebSockets, and reloads under load.
//
// The long runs of robustness are tests (PIZZERIA_TEST_SCALE=full); bench/results keeps what they came to.
//
// `go run ./bench agent`, `instances`, `docker`, `pizzapi`, `scale` and `store` measure single parts; README.md describes them.
//
// `go run ./bench` prints and writes bench/results.json; `go run ./bench -readme`
// puts that file's figures into bench/README.md.
package main
