package esimaccessfake

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// root is the path that the functions are below.
const root = "/api/v1/open"

// maxRequest bounds the body of a request.
const maxRequest = 64 << 10

// FunctionOf names the function that a request calls, for faults.
func FunctionOf(r *http.Request) string {
	_, function, _ := strings.Cut(r.URL.Path, root)
	return function
}

// Refuse has the next call of a function refused with a code, and not executed.
func (v *Vendor) Refuse(function Function, code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refusals[function] = append(v.refusals[function], code)
}

// ServeHTTP serves the API, whatever the host. What the vendor refuses it answers with status
// 200, too.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	function := Function(FunctionOf(r))
	execute := v.function(function)
	if execute == nil {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		answer(w, notJSON, nil)
		return
	}
	if r.Method != http.MethodPost {
		answer(w, methodWrong, nil)
		return
	}
	if refused := v.authenticate(r.Header, body); refused != "" {
		answer(w, refused, nil)
		return
	}
	if refused := v.told(function); refused != "" {
		answer(w, refused, nil)
		return
	}
	obj, refused, entry := execute(body)
	if err := v.unkept(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	entry.Function, entry.ErrorCode = function, string(refused)
	v.note(entry)
	answer(w, refused, obj)
}

// function by its path; nil where there is none.
func (v *Vendor) function(function Function) func([]byte) (object, refusal, Entry) {
	switch function {
	case PackageList:
		return v.listPackages
	case Order:
		return v.order
	case Query:
		return v.query
	case Cancel:
		return v.cancel
	case BalanceQuery:
		return func([]byte) (object, refusal, Entry) { return v.tellBalance() }
	default:
		return nil
	}
}

// told is the refusal that Refuse told for the next call.
func (v *Vendor) told(function Function) refusal {
	v.mu.Lock()
	defer v.mu.Unlock()
	waiting := v.refusals[function]
	if len(waiting) == 0 {
		return ""
	}
	v.refusals[function] = waiting[1:]
	return refusal(waiting[0])
}

// answer writes the envelope. A client that is gone does not hear it.
func answer(w http.ResponseWriter, code refusal, obj object) {
	out := object{"success": true, "errorCode": nil, "errorMsg": nil, "obj": obj}
	if code != "" {
		out = object{"success": false, "errorCode": string(code), "errorMsg": "refused: " + string(code), "obj": nil}
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_ = json.NewEncoder(w).Encode(out) // it holds nothing that JSON could not; the rest is the client's
}

// ForgetRefusals forgets what Refuse told and no call has met yet.
func (v *Vendor) ForgetRefusals() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.refusals)
}
