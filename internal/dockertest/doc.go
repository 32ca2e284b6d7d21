// Package dockertest runs a Docker engine for the tests of a package, and fills it with images.
//
// The engine is real, has a network namespace, directories and a socket of its own, and ends with the
// tests. Nothing is pulled: images are made of static Go programs. Tests are skipped where there is no
// Docker, or fail where PIZZERIA_TEST_REQUIRE names docker.
package dockertest
