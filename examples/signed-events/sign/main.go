// Signs a CloudEvent that holds or releases, and posts it, or prints it if there is no -post:
//
//	sign -key array-7.pem -kid storage/array-7 -aud cluster-a -source /arrays/7 -type dev.chaperone.hold \
//	  -post URL '{"companion": "storage/storage-agent", "key": "pool-42", "reason": "rebuilding", "ttl": "2h"}'
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

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
	file := flag.String("key", "", "private key: PEM, PKCS 8, Ed25519 or RSA")
	kid := flag.String("kid", "", "namespace/name of the EventKey")
	aud := flag.String("aud", "", "the cluster, as its functions call it")
	source := flag.String("source", "", "one of the EventKey's sources")
	kind := flag.String("type", "dev.chaperone.hold", "dev.chaperone.hold, or .release")
	post := flag.String("post", "", "where to post the event")
	flag.Parse()

	block, _ := pem.Decode(must(os.ReadFile(*file)))
	key := jose.SigningKey{Algorithm: jose.EdDSA, Key: must(x509.ParsePKCS8PrivateKey(block.Bytes))}
	if _, isRSA := key.Key.(*rsa.PrivateKey); isRSA {
		key.Algorithm = jose.PS256
	}
	event := map[string]any{
		"specversion": "1.0", "id": rand.Text(), "source": *source, "type": *kind,
		"time": time.Now().UTC().Format(time.RFC3339Nano), "data": json.RawMessage(flag.Arg(0)),
	}
	form := must(jsoncanonicalizer.Transform(must(json.Marshal(event))))
	header := (&jose.SignerOptions{}).WithHeader("kid", *kid).WithHeader("aud", *aud)
	event["jws"] = must(must(must(jose.NewSigner(key, header)).Sign(form)).DetachedCompactSerialize())
	signed := must(json.Marshal(event))

	if *post == "" {
		fmt.Println(string(signed))
		return
	}
	answer := must(http.Post(*post, "application/cloudevents+json", bytes.NewReader(signed)))
	fmt.Println(answer.Status)
	if answer.StatusCode >= 300 {
		os.Exit(1)
	}
}
