package identity

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/argon2"

	"github.com/pizzaface/pizzeria/registry"
)

func TestTypedCode(t *testing.T) {
	for in, want := range map[string]string{
		"123456":                   "123456",
		" 123\u00a0456\n":          "123456",
		"１２３４５６":                   "123456",
		"١٢٣٤٥٦":                   "123456",
		"۱۲۳ ۴۵۶":                  "123456",
		"१२३४५६":                   "123456",
		"\u200e123\u200b456\u202c": "123456",
		"𝟭𝟮𝟯𝟰𝟱𝟲":                   "123456",
		"abcd-efgh-2345-67ab":      "ABCDEFGH234567AB",
		"ＡＢＣＤ－ｅｆｇｈ":                "ABCDEFGH",
		"ABCD\u2013EFGH\u2011":     "ABCDEFGH",
		"\u017f\u0131":             "S\u0131", // long s is an s by NFKC; nothing else folds
		strings.Repeat("1", 1<<20): strings.Repeat("1", maxTypedCode),
	} {
		if got := typedCode(in); got != want {
			t.Errorf("%.40q: %.40q, want %q", in, got, want)
		}
	}
}

// TestDigitsFollowOneAnother: what asciiDigit takes from the tables holds for each of their ranges.
func TestDigitsFollowOneAnother(t *testing.T) {
	for _, set := range unicode.Nd.R16 {
		if set.Stride != 1 || (set.Hi-set.Lo+1)%10 != 0 {
			t.Errorf("%U to %U", set.Lo, set.Hi)
		}
	}
	for _, set := range unicode.Nd.R32 {
		if set.Stride != 1 || (set.Hi-set.Lo+1)%10 != 0 {
			t.Errorf("%U to %U", set.Lo, set.Hi)
		}
	}
}

// TestPasswordsAreNormalized: whichever encoding a keyboard sends, at whichever form, it is the same
// password.
func TestPasswordsAreNormalized(t *testing.T) {
	const composed, decomposed, compatible = "Gr\u00fc\u00dfe aus K\u00f6ln", "Gru\u0308\u00dfe aus Ko\u0308ln", "Gr\u00fc\u00dfe\u00a0aus\u3000\uff2b\u00f6ln"
	f := newFixture(t)
	signIn := func(email, password string) error {
		_, err := f.s.SignIn(ctx, email, password, Client{Address: "192.0.2.1"})
		return err
	}
	for i, set := range []string{composed, decomposed, compatible} {
		email := string(rune('a'+i)) + "@example.com"
		u, err := f.s.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: email, Name: "Some Body"}, set)
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{composed, decomposed, compatible} {
			if err := signIn(email, typed); err != nil {
				t.Errorf("set as %+q, typed as %+q: %v", set, typed, err)
			}
			if err := f.s.checkOwn(ctx, registry.AsUser(u, registry.SessionID(typed), ""), u, typed); err != nil {
				t.Errorf("set as %+q, confirmed as %+q: %v", set, typed, err)
			}
		}
		if err := signIn(email, "Grusse aus Koln"); registry.ErrorCode(err) != registry.CodeForbidden {
			t.Errorf("marks do not count: %v", err)
		}
	}
}

// TestHashesOfRawPasswords: a hash of before passwords were normalized is good once more, and replaced.
func TestHashesOfRawPasswords(t *testing.T) {
	const raw = "Gru\u0308\u00dfe aus Ko\u0308ln"
	f := newFixture(t)
	u := f.user("ada@example.com")
	old := rawHash(raw)
	if err := f.store.SetPassword(ctx, registry.AsUser(u, "", ""), old); err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{raw, typedPassword(raw)} { // the second is refused before it is replaced
		if _, err := f.s.SignIn(ctx, u.Email, typed, Client{}); err != nil {
			t.Errorf("%+q: %v", typed, err)
		}
	}
	u, err := f.store.UserByEmail(ctx, registry.AsSystem("test"), u.Email)
	if err != nil || u.PasswordHash == old {
		t.Errorf("%v: the hash stays", err)
	}
	if ok, rehash, err := f.s.hasher.check(ctx, raw, u.PasswordHash); !ok || rehash || err != nil {
		t.Errorf("%v %v %v", ok, rehash, err)
	}
}

// TestRawFormCostsAlike: the raw form is tried whether the account exists or not, as one try, and only
// where it differs.
func TestRawFormCostsAlike(t *testing.T) {
	h := newHasher()
	stored, err := h.hash(ctx, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]uint64{"another one": 1, "anothe\u0308r one": 2} {
		for _, hash := range []registry.PasswordHash{stored, ""} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if ok, _, err := h.check(ctx, typed, hash); ok || err != nil {
				t.Errorf("%v %v", ok, err)
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / (argonMemory << 10); got != want {
				t.Errorf("%+q, account %v: %d hashes, want %d", typed, hash != "", got, want)
			}
		}
	}
}

func TestPasswordLengthIsOfCharacters(t *testing.T) {
	var long strings.Builder
	for i := range MaxPassword / 2 {
		long.WriteString("u\u0308" + string(rune(0x1f300+i)))
	}
	for password, ok := range map[string]bool{
		long.String():                   true,  // 300 code points as typed
		strings.Repeat("\ufdfa", 20):    false, // 360
		"u\u0308k\u0308l\u0308m\u0308q": false, // 10 typed and more, 8 of them stay
		strings.Repeat("x", 1<<20):      false,
	} {
		if err := CheckPassword(password, "ada@example.com", "Ada"); (err == nil) != ok {
			t.Errorf("%.30q: %v", password, err)
		}
	}
	for _, common := range []string{"ｐａｓｓｗｏｒｄ１２３", "Ｐizzeria２０２６"} {
		if CheckPassword(common, "ada@example.com", "Ada") == nil {
			t.Errorf("%q is accepted", common)
		}
	}
}

// TestCodesOfOtherKeyboards: an authenticator's code counts in the digits of any keyboard.
func TestCodesOfOtherKeyboards(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	a := registry.AsSession(u, registry.Session{ID: "x", AuthTime: f.clock.now()}, "192.0.2.9")
	fresh, err := f.s.NewTOTP(a, u.Email, "")
	if err != nil {
		t.Fatal(err)
	}
	code := func() string {
		c, err := totp.GenerateCode(fresh.Secret, f.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Map(func(r rune) rune { return r - '0' + '۰' }, c)
	}
	recovery, err := f.s.AddTOTP(ctx, a, fresh.Sealed, "Phone", code(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	f.clock.add(time.Minute)
	wide := strings.Map(func(r rune) rune { return r - '!' + '！' }, strings.ToLower(recovery[0]))
	for _, typed := range []string{code(), wide} {
		l, err := f.s.SignIn(ctx, u.Email, goodPassword, Client{Address: "192.0.2.1"})
		if err != nil || l.Second == "" {
			t.Fatalf("%+v %v", l, err)
		}
		if _, err := f.s.SignInSecond(ctx, l.Second, Proof{Code: typed}, Client{Address: "192.0.2.1"}); err != nil {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

// rawHash is the hash of a password as it was typed.
func rawHash(password string) registry.PasswordHash {
	salt := []byte("0123456789abcdef")
	return encodeHash(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey))
}
