package devcore

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// object is a JSON object of a response.
type object map[string]any

// reply is a JSON response. If the body is nil, none is sent.
type reply struct {
	status int
	body   any
	header map[string]string
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

// refuse returns core's general form of an error.
func refuse(status int, code, detail string) reply {
	return reply{status: status, body: object{"detail": detail, "code": code}}
}

// invalid returns core's form of an error in one field.
func invalid(field, problem string) reply {
	return reply{status: http.StatusBadRequest, body: object{field: []string{problem}}}
}

// failed returns core's response when its code raises an unexpected exception.
func failed() reply {
	return reply{status: http.StatusInternalServerError, body: object{"error": "Server internal error"}}
}

// missing returns core's response for an object that does not exist, or that the
// caller's organization cannot see.
func missing(what string) reply {
	return refuse(http.StatusNotFound, "object_does_not_exist", what+" object does not exist.")
}

// unrouted returns the response for a URL that core does not have; unlike [missing]
// it has no code.
func unrouted() reply { return reply{status: http.StatusNotFound, body: object{"error": "Not found"}} }

func forbidden() reply {
	return refuse(http.StatusForbidden, "permission_denied", "You do not have permission to perform this action.")
}

func (a reply) send(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		// Maps and structs of plain values can always be marshalled.
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(a.status)
	_, _ = w.Write(b) // the caller may have disconnected
}

// labelled returns core's form of a choice.
func labelled(value, label string) object { return object{"value": value, "label": label} }

// choiceError returns core's text for a value outside of an enumeration.
func choiceError(value any) string {
	return fmt.Sprintf("\"%v\" is not a valid choice.", value)
}

const (
	errRequired = "This field is required."
	errNull     = "This field may not be null."
	errBlank    = "This field may not be blank."
	errBool     = "Must be a valid boolean."
	errInteger  = "A valid integer is required."
	errNumber   = "A valid number is required."
)

// errMax returns core's text for a text that is too long.
func errMax(n int) string {
	return fmt.Sprintf("Ensure this field has no more than %d characters.", n)
}

// cutMiddle shortens a text of limit characters or more as core shortens names: it
// keeps the same number of characters at both ends, with dots between.
func cutMiddle(s string, limit int) string {
	r := []rune(s)
	if len(r) < limit {
		return s
	}
	const dots = "..."
	half := (limit - len(dots)) / 2
	return string(r[:half]) + dots + string(r[len(r)-half:])
}
