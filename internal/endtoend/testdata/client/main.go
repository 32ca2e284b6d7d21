// Command client makes three calls with a Go client that is generated from the OpenAPI document:
// who it is, a new org, and the list of orgs.
//
// Usage: client <server> <API key> <file with the certificate authority>
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

//go:generate go tool oapi-codegen -generate types,client -package main -o client.gen.go ../../../../docs/reference/openapi.yaml

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server, key, ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := strings.Cut(address, ":")
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port) // a name below localhost
		},
	}
	c, err := NewClientWithResponses(server, WithHTTPClient(&http.Client{Transport: transport}),
		WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+key)
			return nil
		}))
	if err != nil {
		return err
	}
	me, err := c.ShowMeWithResponse(ctx)
	if err != nil {
		return err
	}
	if me.JSON200 == nil {
		return fmt.Errorf("me: %s %s", me.Status(), me.Body)
	}
	name := "Made by a generated client"
	org, err := c.CreateOrgWithResponse(ctx, nil, OrgCreate{Slug: "generated", Name: &name})
	if err != nil {
		return err
	}
	if org.JSON201 == nil {
		return fmt.Errorf("new org: %s %s", org.Status(), org.Body)
	}
	list, err := c.ListOrgsWithResponse(ctx, &ListOrgsParams{})
	if err != nil {
		return err
	}
	if list.JSON200 == nil || list.JSON200.Items == nil {
		return fmt.Errorf("orgs: %s %s", list.Status(), list.Body)
	}
	for _, o := range *list.JSON200.Items {
		fmt.Println(o.Slug, o.Status, o.Id == org.JSON201.Id)
	}
	again, err := c.CreateOrgWithResponse(ctx, nil, OrgCreate{Slug: "generated"})
	if err != nil {
		return err
	}
	if again.ApplicationproblemJSON4XX == nil {
		return fmt.Errorf("the same org again: %s %s", again.Status(), again.Body)
	}
	fmt.Println("refused:", again.ApplicationproblemJSON4XX.Detail)
	return nil
}
