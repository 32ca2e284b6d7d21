package registry

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one variable of an org's instance. Of a secret only that it is set is ever shown.
type Setting struct {
	Name      string    `json:"name" doc:"name of the environment variable"`
	Value     string    `json:"value,omitempty" doc:"current value; absent for a secret"`
	Secret    bool      `json:"secret" doc:"the value is write-only"`
	UpdatedAt time.Time `json:"updated_at" doc:"last change"`
	UpdatedBy string    `json:"updated_by" doc:"email address of the person who changed it last, or operator"`
	ChangeID  string    `json:"-"` // of the change that set it
}

// SettingValue is what a setting becomes. Sealed is of a secret, and only its
// holder of the key can open it.
type SettingValue struct {
	Value  string
	Sealed []byte // nil = not a secret
}

// Field is a setting that the operator states for the app.
type Field struct {
	Name     string    `json:"name" doc:"name of the environment variable"`
	Type     FieldType `json:"type" doc:"kind of value, such as text, secret, number or url"`
	Label    string    `json:"label,omitempty" doc:"name for people"`
	Help     string    `json:"help,omitempty" doc:"what the setting does"`
	Group    string    `json:"group,omitempty" doc:"heading that it is shown below"`
	Default  string    `json:"default,omitempty" doc:"value while none is set"`
	Options  []string  `json:"options,omitempty" doc:"allowed values, of a choice"`
	Required bool      `json:"required,omitempty" doc:"the instance does not start without it"`
}

// FieldType says what a field's value is.
type FieldType string

// The types of fields.
const (
	FieldText   FieldType = "text"
	FieldSecret FieldType = "secret"
	FieldURL    FieldType = "url"
	FieldEmail  FieldType = "email"
	FieldNumber FieldType = "number"
	FieldBool   FieldType = "bool"
	FieldChoice FieldType = "choice"
)

// FieldTypes lists every type.
func FieldTypes() []FieldType {
	return []FieldType{FieldText, FieldSecret, FieldURL, FieldEmail, FieldNumber, FieldBool, FieldChoice}
}

// Schema is what an org's admins may set for its instance.
type Schema struct {
	Fields []Field `json:"fields" doc:"settings that the app documents"`
	// Allow are further names that may be set, such as APP_*: a star ends a pattern.
	Allow []string `json:"allow" doc:"further variables that may be set; a final * stands for any ending"`
}

// Bounds of settings.
const (
	SettingMax  = 16 << 10 // bytes of a value
	SettingsMax = 200      // of an org
)

// Check says what is wrong with a schema that the operator states.
func (s Schema) Check() error {
	seen := map[string]bool{}
	for _, f := range s.Fields {
		if err := CheckSettingName(f.Name); err != nil {
			return err
		}
		switch {
		case seen[f.Name]:
			return Errorf(CodeInvalid, f.Name, "the setting %s is stated twice", f.Name)
		case !slices.Contains(FieldTypes(), f.Type):
			return Errorf(CodeInvalid, f.Name, "%q is not a type of setting: use text, secret, url, email, number, bool or choice", string(f.Type))
		case (f.Type == FieldChoice) != (len(f.Options) > 0):
			return Errorf(CodeInvalid, f.Name, "options are of a choice: %s is a %s", f.Name, f.Type)
		case f.Type == FieldSecret && f.Default != "":
			return Errorf(CodeInvalid, f.Name, "the secret %s cannot have a default: it would stand in the configuration", f.Name)
		}
		seen[f.Name] = true
		if f.Default != "" {
			if _, err := f.clean(f.Default); err != nil {
				return err
			}
		}
	}
	for _, p := range s.Allow {
		if err := checkAllow(p); err != nil {
			return err
		}
	}
	return nil
}

// Field returns the field with a name.
func (s Schema) Field(name string) (Field, bool) {
	i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return s.Fields[i], true
}

// Clean checks a value that somebody wants to set, and returns it as it is kept.
// Errors: CodeInvalid, with the variable's name as field.
func (s Schema) Clean(name, value string) (string, error) {
	if err := CheckSettingName(name); err != nil {
		return "", err
	}
	if len(value) > SettingMax || strings.ContainsRune(value, 0) {
		return "", Errorf(CodeInvalid, name, "use at most %d bytes, without a zero byte", SettingMax)
	}
	if f, ok := s.Field(name); ok {
		return f.clean(value)
	}
	for _, p := range s.Allow {
		if prefix, star := strings.CutSuffix(p, "*"); name == p || star && strings.HasPrefix(name, prefix) {
			return value, nil
		}
	}
	return "", Errorf(CodeInvalid, name, "%s is not a setting of this app: ask the operator to state it", name)
}

// CheckUnset returns a CodeInvalid error, with the variable's name as field, when a setting must
// keep a value: it is required and has no default.
func (s Schema) CheckUnset(name string) error {
	if f, ok := s.Field(name); ok && f.Required && f.Default == "" {
		return f.missing()
	}
	return nil
}

func (f Field) missing() error {
	return Errorf(CodeInvalid, f.Name, "%s is required: give it a value", f.Name)
}

func (f Field) clean(value string) (string, error) {
	if f.Required && strings.TrimSpace(value) == "" {
		return "", f.missing()
	}
	if f.Type != FieldSecret {
		value = strings.TrimSpace(value)
	}
	bad := func(how string) (string, error) { return "", Errorf(CodeInvalid, f.Name, "%s", how) }
	switch f.Type {
	case FieldURL:
		if u, err := url.Parse(value); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return bad("write a URL like https://example.com/path")
		}
	case FieldEmail:
		if _, err := CleanEmail(value); err != nil {
			return bad("write an e-mail address like name@example.com")
		}
	case FieldNumber:
		// No NaN, no infinity, nothing hexadecimal: an app's own parser may take them for anything.
		if _, err := strconv.ParseFloat(value, 64); err != nil || strings.Trim(value, "0123456789+-.eE") != "" {
			return bad("write a number")
		}
	case FieldBool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return bad("use true or false")
		}
		return strconv.FormatBool(b), nil
	case FieldChoice:
		if !slices.Contains(f.Options, value) {
			return bad("choose one of " + strings.Join(f.Options, ", "))
		}
	}
	return value, nil
}

// SettingReader reads settings, without secrets.
type SettingReader interface {
	Settings(ctx context.Context, a Actor, org OrgID) ([]Setting, error)
}

// SettingStore keeps settings with their sealed values.
type SettingStore interface {
	SetSettings(
		ctx context.Context, a Actor, org OrgID, version string,
		changes map[string]*SettingValue,
	) error
	SettingValues(ctx context.Context, a Actor, org OrgID) (map[string]SettingValue, error)
}
