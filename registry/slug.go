package registry

import "strings"

// ValidSlug reports whether s is written as a slug: a DNS label of 3 to 40 characters that starts
// with a letter (`^[a-z][a-z0-9-]{1,38}[a-z0-9]$`), and no "--" in the third and fourth place, where
// RFC 5891 keeps room for `xn--` and its successors. It judges every request, and allocates nothing.
func ValidSlug(s string) bool {
	if len(s) < 3 || len(s) > 40 || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(s) < 4 || s[2:4] != "--"
}

// CheckSlug returns a CodeInvalid error on field "slug" when s cannot be given to
// an org: wrong syntax or a reserved name.
func CheckSlug(s string) error {
	switch {
	case !ValidSlug(s):
		return Errorf(CodeInvalid, "slug", "%q cannot be an address: use 3 to 40 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen", s)
	case reservedSlugs[s]:
		return Errorf(CodeInvalid, "slug", "%q is reserved: choose another address", s)
	}
	return nil
}

// reservedSlugs are labels that operators, browsers or mail systems give a
// meaning of their own (RFC 2142 and common practice), or that would read as ours.
var reservedSlugs = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range strings.Fields(`
		abuse account accounts admin administrator api app apps assets auth autoconfig autodiscover
		billing blog broadcasthost caddy cdn console control-plane dashboard dev dns docs download
		email example ftp gateway git help home hostmaster id identity imap info internal invite
		isatap issuer jwks localdomain localhost login logout mail marketing metrics mta-sts new news
		no-reply noreply ns1 ns2 ns3 oauth oidc openid operator organization orgs owner pizzapi
		pizzeria pop pop3 postmaster prod production prometheus proxy public register relay root
		security session sessions settings setup sign-in sign-out signin signout signup sip sitemap
		smtp ssl staging static stats status support system team test tls token tunnel undefined null
		usage user users vpn webmail webmaster well-known wpad www www1 www2`) {
		m[s] = true
	}
	return m
}()
