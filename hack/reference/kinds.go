package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const kindsIntroduction = `# The kinds, field by field

<!-- Written by ` + "`make docs`" + ` from config/crd/bases. -->

API group ` + "`esim.telco.dev`" + `. What the words mean and how the kinds work together: [concepts](../concepts.md). The cluster
itself tells the same: ` + "`kubectl explain esimorder.spec`" + `.

In the tables **bold** fields must be given. ` + "`a.b`" + ` is a field in an object, ` + "`a[].b`" + ` one in each entry of a list, ` + "`a{}.b`" + `
one in each value of a map. The rules are the API server's: what breaks one is refused, with the rule's own words.
`

// schema is what a field may be.
type schema = apiextensionsv1.JSONSchemaProps

// readKinds reads the CRDs of a folder, by kind.
func readKinds(folder string) ([]apiextensionsv1.CustomResourceDefinition, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("looking for CRDs: %w", err)
	}
	var kinds []apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a CRD: %w", err)
		}
		var kind apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &kind); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) == 0 {
		return nil, fmt.Errorf("%s has no CRDs", folder)
	}
	return kinds, nil
}

// kindsPage is the reference of the kinds.
func kindsPage(kinds []apiextensionsv1.CustomResourceDefinition) (string, error) {
	var text strings.Builder
	text.WriteString(kindsIntroduction + "\n")
	for _, kind := range kinds {
		fmt.Fprintf(&text, "- [%s](#%s)\n", kind.Spec.Names.Kind, strings.ToLower(kind.Spec.Names.Kind))
	}
	for _, kind := range kinds {
		for _, version := range kind.Spec.Versions {
			if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
				return "", fmt.Errorf("%s %s has no schema", kind.Name, version.Name)
			}
			writeKind(&text, kind, version)
		}
	}
	return text.String(), nil
}

func writeKind(to *strings.Builder, kind apiextensionsv1.CustomResourceDefinition, version apiextensionsv1.CustomResourceDefinitionVersion) {
	names := kind.Spec.Names
	scope := "in a namespace"
	if kind.Spec.Scope == apiextensionsv1.ClusterScoped {
		scope = "of the whole cluster"
	}
	fmt.Fprintf(to, "\n## %s\n\n%s\n\n", names.Kind, strings.TrimSpace(version.Schema.OpenAPIV3Schema.Description))
	fmt.Fprintf(to, "`apiVersion: %s/%s`, %s; `kubectl get %s`", kind.Spec.Group, version.Name, scope, names.Plural)
	if len(names.ShortNames) > 0 {
		fmt.Fprintf(to, ", or `%s` for short", strings.Join(names.ShortNames, "`, `"))
	}
	to.WriteString(".")
	if len(version.SelectableFields) > 0 {
		var paths []string
		for _, f := range version.SelectableFields {
			paths = append(paths, code(strings.TrimPrefix(f.JSONPath, ".")))
		}
		fmt.Fprintf(to, " `--field-selector` takes %s.", strings.Join(paths, ", "))
	}
	to.WriteString("\n")
	if rules := ruleSentences(version.Schema.OpenAPIV3Schema); rules != "" {
		fmt.Fprintf(to, "\nOf the whole object: %s\n", rules)
	}
	for _, part := range []string{"spec", "status"} {
		top, ok := version.Schema.OpenAPIV3Schema.Properties[part]
		if !ok {
			continue
		}
		fmt.Fprintf(to, "\n### %s: %s\n\n", names.Kind, part)
		if about := sentences(top.Description, ruleSentences(&top)); about != "" {
			to.WriteString(about + "\n\n")
		}
		to.WriteString("| field | type | meaning | rules |\n|---|---|---|---|\n")
		writeFields(to, "", &top)
	}
}

// writeFields writes a row for each field below an object, and goes into what has fields itself.
func writeFields(to *strings.Builder, above string, object *schema) {
	for _, name := range slices.SortedFunc(maps.Keys(object.Properties), requiredFirst(object.Required)) {
		field := object.Properties[name]
		shown := code(above + name)
		if slices.Contains(object.Required, name) {
			shown = "**" + shown + "**"
		}
		inner, path := entries(&field, above+name)
		meaning, rules := field.Description, limits(&field)
		if inner != &field {
			rules = sentences(rules, prefixed("each: ", limits(inner)))
		}
		if isConditions(name, inner) {
			row(to, shown, "conditions", meaning, "")
			continue
		}
		row(to, shown, typeName(&field), meaning, rules)
		writeFields(to, path+".", inner)
	}
}

// entries is what a list or map holds, and how it is called; a field that is neither is itself.
func entries(field *schema, path string) (inner *schema, called string) {
	switch {
	case field.Items != nil && field.Items.Schema != nil:
		return entries(field.Items.Schema, path+"[]")
	case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		return entries(field.AdditionalProperties.Schema, path+"{}")
	default:
		return field, path
	}
}

// isConditions tells Kubernetes' own type, which is explained elsewhere.
func isConditions(name string, entry *schema) bool {
	_, transition := entry.Properties["lastTransitionTime"]
	return name == "conditions" && transition
}

// requiredFirst sorts what must be given before what may be.
func requiredFirst(required []string) func(a, b string) int {
	return func(a, b string) int {
		first, second := slices.Contains(required, a), slices.Contains(required, b)
		if first != second {
			if first {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	}
}

// typeName is a type in words.
func typeName(field *schema) string {
	switch {
	case field.XIntOrString:
		return "integer or string"
	case field.Items != nil && field.Items.Schema != nil:
		return "list of " + typeName(field.Items.Schema)
	case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		return "map of " + typeName(field.AdditionalProperties.Schema)
	case field.Format == "date-time":
		return "time"
	default:
		return field.Type
	}
}

// limits are the rules of a field in words.
func limits(field *schema) string {
	var said []string
	if field.Default != nil {
		said = append(said, "default "+code(strings.Trim(string(field.Default.Raw), `"`)))
	}
	if len(field.Enum) > 0 {
		var values []string
		for _, value := range field.Enum {
			values = append(values, code(strings.Trim(string(value.Raw), `"`)))
		}
		said = append(said, "one of "+strings.Join(values, ", "))
	}
	said = append(said,
		within(field.MinLength, field.MaxLength, "characters"),
		within(field.MinItems, field.MaxItems, "entries"),
		within(field.MinProperties, field.MaxProperties, "entries"),
		within(field.Minimum, field.Maximum, ""))
	if len(field.XListMapKeys) > 0 {
		said = append(said, "no two entries with the same "+code(strings.Join(field.XListMapKeys, ", ")))
	}
	if field.XListType != nil && *field.XListType == "set" {
		said = append(said, "no entry twice")
	}
	if field.Pattern != "" {
		said = append(said, "matches "+code(field.Pattern))
	}
	said = append(said, ruleSentences(field))
	return sentences(said...)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// ruleSentences are the messages of CEL rules; a rule without one is shown itself.
func ruleSentences(field *schema) string {
	var said []string
	for _, rule := range field.XValidations {
		message := rule.Message
		if message == "" {
			message = code(rule.Rule)
		}
		if !slices.Contains(said, message) {
			said = append(said, message)
		}
	}
	return sentences(said...)
}
