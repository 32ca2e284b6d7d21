package servertest

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/pizzaface/pizzeria/registry"
)

// Enrolled is a runner with what it was given.
type Enrolled struct {
	Runner registry.Runner
	Key    string
	Token  string `json:"token_endpoint"`
	URL    string
}

// Enroll claims a runner as the person, and enrolls it as somebody who is not signed in.
func (p *Person) Enroll(nobody *Person, slug, name string) (r Enrolled) {
	p.Helper()
	var claim struct{ Secret string }
	api := p.Console + "/api/v1"
	p.Call(p, "POST", api+"/orgs/"+slug+"/runners/claims", `{"name":"`+name+`"}`, 201, &claim)
	nobody.Call(p, "POST", api+"/runners", `{"claim":"`+claim.Secret+`"}`, 201, &r)
	nobody.Call(p, "POST", api+"/runners", `{"claim":"`+claim.Secret+`"}`, 410, nil) // once
	return r
}

// AccessToken asks for one as any OAuth client does.
func (r Enrolled) AccessToken(c *http.Client, style oauth2.AuthStyle) (string, error) {
	conf := clientcredentials.Config{
		ClientID: string(r.Runner.ID), ClientSecret: r.Key, TokenURL: r.Token, AuthStyle: style,
	}
	defer c.CloseIdleConnections() // the server bounds them by address
	t, err := conf.Token(context.WithValue(context.Background(), oauth2.HTTPClient, c))
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}
