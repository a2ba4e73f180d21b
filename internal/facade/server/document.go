package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/rest"
)

// document is what the server reads of the API's document: what it holds requests against,
// and what it shows at /docs.
type document struct {
	Info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      map[string]map[string]any `json:"paths"`
	Components struct {
		Parameters    map[string]*parameter   `json:"parameters"`
		RequestBodies map[string]*requestBody `json:"requestBodies"`
		Schemas       map[string]*schema      `json:"schemas"`
		Responses     map[string]*response    `json:"responses"`
		Examples      map[string]example      `json:"examples"`
	} `json:"components"`
}

// operation is one that the document describes.
type operation struct {
	ID          string               `json:"operationId"`
	Tags        []string             `json:"tags"`
	Summary     string               `json:"summary"`
	Description string               `json:"description"`
	Parameters  []*parameter         `json:"parameters"`
	Body        *requestBody         `json:"requestBody"`
	Responses   map[string]*response `json:"responses"`

	method, path string
}

// needsCaches tells whether an operation's answer comes from the caches: those of the service
// itself do not.
func (o *operation) needsCaches() bool { return !slices.Contains(o.Tags, "Service") }

// pattern is the operation's route, as http.ServeMux has it.
func (o *operation) pattern() string { return o.method + " " + o.path }

type parameter struct {
	Ref         string  `json:"$ref"`
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
	Example     any     `json:"example"`
}

type requestBody struct {
	Ref     string           `json:"$ref"`
	Content map[string]media `json:"content"`
}

type response struct {
	Ref         string           `json:"$ref"`
	Description string           `json:"description"`
	Content     map[string]media `json:"content"`
}

type media struct {
	Schema   *schema            `json:"schema"`
	Examples map[string]example `json:"examples"`
}

// example of a body.
type example struct {
	Ref     string          `json:"$ref"`
	Summary string          `json:"summary"`
	Value   json.RawMessage `json:"value"`
}

// schema is the part of a schema that the document's requests use.
type schema struct {
	Ref         string             `json:"$ref"`
	Description string             `json:"description"`
	Type        string             `json:"type"`
	Format      string             `json:"format"`
	Pattern     string             `json:"pattern"`
	Minimum     *int64             `json:"minimum"`
	Maximum     *int64             `json:"maximum"`
	MinLength   *int               `json:"minLength"`
	MaxLength   *int               `json:"maxLength"`
	Enum        []any              `json:"enum"`
	Required    []string           `json:"required"`
	Properties  map[string]*schema `json:"properties"`
	Items       *schema            `json:"items"`
	Example     any                `json:"example"`
}

const schemasPrefix = "#/components/schemas/"

// readDocument reads the document that the binary carries.
func readDocument() (*document, []*operation, error) {
	var d document
	if err := yaml.Unmarshal(rest.Document(), &d); err != nil {
		return nil, nil, fmt.Errorf("reading the API's document: %w", err)
	}
	operations, err := d.operations()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the API's document: %w", err)
	}
	return &d, operations, nil
}

// operations of all paths, with every reference in parameters and bodies followed.
func (d *document) operations() ([]*operation, error) {
	var found []*operation
	for path, item := range d.Paths {
		var shared struct {
			Parameters []*parameter `json:"parameters"`
		}
		if err := remarshal(item, &shared); err != nil {
			return nil, fmt.Errorf("path %s: %w", path, err)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			text, ok := item[strings.ToLower(method)]
			if !ok {
				continue
			}
			o := &operation{method: method, path: path}
			if err := remarshal(text, o); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			o.Parameters = append(shared.Parameters, o.Parameters...)
			if err := d.follow(o); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			found = append(found, o)
		}
	}
	return found, nil
}

// follow replaces an operation's references by what they name.
func (d *document) follow(o *operation) error {
	parameters := make([]*parameter, len(o.Parameters))
	for i, p := range o.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		}
		if p == nil || p.Schema == nil {
			return fmt.Errorf("a parameter has no schema")
		}
		parameters[i] = p
	}
	o.Parameters = parameters
	for status, r := range o.Responses {
		if r.Ref != "" {
			o.Responses[status] = d.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
		}
	}
	if o.Body == nil {
		return nil
	}
	if o.Body.Ref != "" {
		o.Body = d.Components.RequestBodies[strings.TrimPrefix(o.Body.Ref, "#/components/requestBodies/")]
	}
	if o.Body == nil || d.resolve(o.Body.Content[jsonType].Schema) == nil {
		return fmt.Errorf("the body has no schema for %s", jsonType)
	}
	return nil
}

// shown are the examples of a body, by name, as people read JSON.
func (d *document) shown(content map[string]media) ([]shownExample, error) {
	body := content[jsonType]
	var examples []shownExample
	for _, name := range slices.Sorted(maps.Keys(body.Examples)) {
		found := body.Examples[name]
		if found.Ref != "" {
			found = d.Components.Examples[strings.TrimPrefix(found.Ref, "#/components/examples/")]
		}
		var text bytes.Buffer
		if err := json.Indent(&text, found.Value, "", "  "); err != nil {
			return nil, fmt.Errorf("example %s: %w", name, err)
		}
		examples = append(examples, shownExample{cmp.Or(found.Summary, name), text.String()})
	}
	return examples, nil
}

// shownExample is what a body may look like.
type shownExample struct{ Summary, Text string }

// resolve follows a schema's reference; nil for what is not there.
func (d *document) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, schemasPrefix)]
	}
	return s
}

// body is the schema of an operation's body; nil where it takes none.
func (d *document) body(o *operation) *schema {
	if o.Body == nil {
		return nil
	}
	return d.resolve(o.Body.Content[jsonType].Schema)
}

// remarshal reads what was decoded into any.
func remarshal(from any, into any) error {
	text, err := yaml.Marshal(from)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}
