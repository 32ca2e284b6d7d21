// Package postgrestest runs a PostgreSQL server for the tests of a package.
//
// The server is real. It has a directory and a socket of its own, no other address, and ends with the
// tests. It trades safety after a crash of the machine for speed. Tests get a database each. They are
// skipped where there is no PostgreSQL, or fail where PIZZERIA_TEST_REQUIRE names postgres.
//
// A package that uses Database calls Main in its TestMain.
package postgrestest
