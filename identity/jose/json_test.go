package jose

import "testing"

func TestStrictJSON(t *testing.T) {
	for in, ok := range map[string]bool{
		`{"a":1}`: true, ` {"a":1} `: true, `{}`: true, `{"a":1,"A":2}`: false, `{"a":1,"a":2}`: false, `{"a":1}x`: false, `{"a":1}{}`: false, `[1]`: false, `null`: false, ``: false, `{"a":1,}`: false,
		`{"a":1`: false, `{"\u0061":1,"a":2}`: false, `{"k":1,"\u212a":2}`: false, `{"K":1,"\u212a":2}`: false, `{"s":1,"\u017f":2}`: false, `{"\u017f":2}`: false, `{"K":1}`: false, `{"\u212a":1}`: false, `{"\u017f":1,"S":2}`: false, `{"k":1,"s":2}`: true,
	} {
		var v struct {
			A int `json:"a"`
			K int `json:"k"`
			S int `json:"s"`
		}
		if err := DecodeStrict([]byte(in), &v, true); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}
