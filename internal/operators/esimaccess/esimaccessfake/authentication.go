package esimaccessfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// timestampValid is how far a request's timestamp may be from the vendor's clock.
const timestampValid = 5 * time.Minute

// maxRequestIDs is from how many on old ones are forgotten.
const maxRequestIDs = 100_000

var requestIDForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// authenticate checks who calls. The signature covers the body to the byte.
func (v *Vendor) authenticate(header http.Header, body []byte) refusal {
	accessCode := header.Get("RT-AccessCode")
	if accessCode == "" {
		return headerMissing
	}
	if subtle.ConstantTimeCompare([]byte(accessCode), []byte(v.options.AccessCode)) != 1 {
		return signatureWrong
	}
	if v.options.Secret == "" || v.options.Unsigned && header.Get("RT-Signature") == "" {
		return ""
	}
	timestamp, requestID, signature := header.Get("RT-Timestamp"), header.Get("RT-RequestID"), header.Get("RT-Signature")
	if timestamp == "" || requestID == "" || signature == "" {
		return headerMissing
	}
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || !requestIDForm.MatchString(requestID) {
		return headerFormat
	}
	if age := v.now().Sub(time.UnixMilli(milliseconds)); age.Abs() > timestampValid {
		return timestampExpired
	}
	mac := hmac.New(sha256.New, []byte(v.options.Secret))
	mac.Write([]byte(timestamp + requestID + accessCode))
	mac.Write(body)
	if signature != hex.EncodeToString(mac.Sum(nil)) {
		return signatureWrong
	}
	return v.useOnce(requestID)
}

// useOnce refuses a request that was overheard and sent again.
func (v *Vendor) useOnce(requestID string) refusal {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	if len(v.requests) >= maxRequestIDs {
		maps.DeleteFunc(v.requests, func(_ string, used time.Time) bool { return now.Sub(used) > 2*timestampValid })
	}
	if _, used := v.requests[requestID]; used {
		return signatureWrong
	}
	v.requests[requestID] = now
	return ""
}
