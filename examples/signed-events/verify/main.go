// Verifies a signed CloudEvent, in JSON on standard input, with a public key: verify array-7.pub.
package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"os"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/go-jose/go-jose/v4"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	block, _ := pem.Decode(must(os.ReadFile(os.Args[1])))
	key := must(x509.ParsePKIXPublicKey(block.Bytes))
	algorithms := []jose.SignatureAlgorithm{jose.EdDSA}
	if _, isRSA := key.(*rsa.PublicKey); isRSA {
		algorithms = []jose.SignatureAlgorithm{jose.PS256, jose.RS256}
	}
	var event map[string]any
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&event); err != nil {
		log.Fatal(err)
	}
	form := map[string]any{}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "data"} {
		if value, present := event[name]; present {
			form[name] = value
		}
	}
	signed := must(jsoncanonicalizer.Transform(must(json.Marshal(form))))
	jws, _ := event["jws"].(string)
	if err := must(jose.ParseDetached(jws, signed, algorithms)).DetachedVerify(signed, key); err != nil {
		log.Fatal("not signed with this key: ", err)
	}
	fmt.Printf("verified: %s %s of %s\n", event["type"], event["id"], event["source"])
}
