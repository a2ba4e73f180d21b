package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const apiIntroduction = `# The REST API, operation by operation

<!-- Written by ` + "`make docs`" + ` from api/rest/esim.yaml. -->

The same document is served at ` + "`/openapi.yaml`" + `, and rendered at ` + "`/docs`" + `. How to come by a token and a first order, with
curl: [rest.md](../rest.md).

In the tables **bold** fields are always there, or must be given.
`

// methods in the order in which they are told.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func readAPI(file string) (*openapi3.T, error) {
	api, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if api.Paths.Len() == 0 {
		return nil, fmt.Errorf("%s has no operations", file)
	}
	return api, nil
}

// apiPage is the reference of the REST API.
func apiPage(api *openapi3.T) string {
	var text strings.Builder
	text.WriteString(apiIntroduction)
	// The document's own headings go one deeper, below this page's.
	text.WriteString("\n" + strings.ReplaceAll(strings.TrimSpace(api.Info.Description), "## ", "### ") + "\n")
	for _, tag := range api.Tags {
		fmt.Fprintf(&text, "\n## %s\n\n%s\n", tag.Name, strings.TrimSpace(tag.Description))
		eachOperation(api, func(path, method string, item *openapi3.PathItem, operation *openapi3.Operation) {
			if slices.Contains(operation.Tags, tag.Name) {
				writeOperation(&text, path, method, item, operation)
			}
		})
	}
	text.WriteString("\n## Schemas\n")
	for _, name := range slices.Sorted(maps.Keys(api.Components.Schemas)) {
		writeSchema(&text, name, api.Components.Schemas[name].Value)
	}
	return text.String()
}

func eachOperation(api *openapi3.T, do func(path, method string, item *openapi3.PathItem, operation *openapi3.Operation)) {
	paths := api.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range methods {
			if operation := paths[path].GetOperation(method); operation != nil {
				do(path, method, paths[path], operation)
			}
		}
	}
}

func writeOperation(to *strings.Builder, path, method string, item *openapi3.PathItem, operation *openapi3.Operation) {
	fmt.Fprintf(to, "\n### %s %s\n\n%s\n", method, path, sentences(operation.Summary))
	if about := strings.TrimSpace(operation.Description); about != "" {
		fmt.Fprintf(to, "\n%s\n", about)
	}
	if parameters := slices.Concat(item.Parameters, operation.Parameters); len(parameters) > 0 {
		to.WriteString("\n| parameter | in | type | meaning | rules |\n|---|---|---|---|---|\n")
		for _, parameter := range parameters {
			p := parameter.Value
			row(to, marked(p.Name, p.Required), p.In, refType(p.Schema), p.Description, apiLimits(p.Schema.Value))
		}
	}
	if operation.RequestBody != nil {
		fmt.Fprintf(to, "\nBody: %s. %s\n", contentType(operation.RequestBody.Value.Content), sentences(operation.RequestBody.Value.Description))
	}
	to.WriteString("\n| answer | body | when |\n|---|---|---|\n")
	answers := operation.Responses.Map()
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		answer := answers[status].Value
		when := ""
		if answer.Description != nil {
			when = *answer.Description
		}
		row(to, status, contentType(answer.Content), when)
	}
}

// contentType is what a body is: a schema where it is JSON, else its media type.
func contentType(content openapi3.Content) string {
	var said []string
	for _, media := range slices.Sorted(maps.Keys(content)) {
		if of := content[media].Schema; media == "application/json" && of != nil {
			said = append(said, refType(of))
		} else {
			said = append(said, code(media))
		}
	}
	return strings.Join(said, ", ")
}

func writeSchema(to *strings.Builder, name string, of *openapi3.Schema) {
	fmt.Fprintf(to, "\n### %s\n\n", name)
	if about := sentences(of.Description); about != "" {
		to.WriteString(about + "\n\n")
	}
	if len(of.Properties) == 0 {
		fmt.Fprintln(to, sentences(apiType(of), apiLimits(of)))
		return
	}
	to.WriteString("| field | type | meaning | rules |\n|---|---|---|---|\n")
	for _, field := range slices.SortedFunc(maps.Keys(of.Properties), requiredFirst(of.Required)) {
		property := of.Properties[field]
		rules := ""
		if property.Ref == "" { // else the schema tells
			rules = apiLimits(property.Value)
		}
		row(to, marked(field, slices.Contains(of.Required, field)), refType(property), property.Value.Description, rules)
	}
}

func marked(name string, required bool) string {
	if required {
		return "**" + code(name) + "**"
	}
	return code(name)
}

// refType is a type in words, with a link where it has a name.
func refType(of *openapi3.SchemaRef) string {
	if name, ok := strings.CutPrefix(of.Ref, "#/components/schemas/"); ok {
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	}
	return apiType(of.Value)
}

func apiType(of *openapi3.Schema) string {
	switch {
	case of.Type.Is("array") && of.Items != nil:
		return "list of " + refType(of.Items)
	case of.Format == "date-time":
		return "time"
	case of.Type == nil:
		return "any"
	default:
		return strings.Join(*of.Type, " or ")
	}
}

// apiLimits are the rules of a value in words.
func apiLimits(of *openapi3.Schema) string {
	var said []string
	if of.Default != nil {
		said = append(said, "default "+code(fmt.Sprint(of.Default)))
	}
	if len(of.Enum) > 0 {
		var values []string
		for _, value := range of.Enum {
			values = append(values, code(fmt.Sprint(value)))
		}
		said = append(said, "one of "+strings.Join(values, ", "))
	}
	said = append(said,
		within(positive(of.MinLength), of.MaxLength, "characters"),
		within(positive(of.MinItems), of.MaxItems, "entries"),
		within(of.Min, of.Max, ""))
	if of.Pattern != "" {
		said = append(said, "matches "+code(of.Pattern))
	}
	return sentences(said...)
}

// positive is nil for 0, which limits nothing.
func positive(n uint64) *uint64 {
	if n == 0 {
		return nil
	}
	return &n
}
