# SPDX-License-Identifier: BSD-3-Clause
#
# Makes image_fields.def of image.proto: the list of its fields, one C macro each, in order.
#
#     awk -f image_fields.awk image.proto > image_fields.def
#
# It knows what image.proto uses of the language, and refuses everything else: a line that it did
# not understand would be a field that is never written. That protoc reads the same fields is
# tested (test/unit/lib_image.c).

function fail(why)
{
	print FILENAME ":" FNR ": " why > "/dev/stderr"
	failed = 1
	exit 1
}

BEGIN {
	type_of["bool"] = "bool"
	type_of["uint32"] = "uint32_t"
	type_of["fixed32"] = "uint32_t"
	type_of["uint64"] = "uint64_t"
	type_of["sint32"] = "int32_t"
	type_of["sint64"] = "int64_t"
	limit["4294967295"] = "UINT32_MAX"
	limit["18446744073709551615"] = "UINT64_MAX"
	limit["9223372036854775807"] = "INT64_MAX"
	print "/* SPDX-License-Identifier: BSD-3-Clause */"
	print "/*"
	print " * Made of image.proto by image_fields.awk. Who includes this defines what he wants of"
	print " *"
	print " *     IMAGE_NUMBER(rule, kind, type, number, name, value)    value: its default"
	print " *     IMAGE_BYTES(rule, kind, number, name, text)           text: likewise"
	print " *"
	print " * rule: REQUIRED, OPTIONAL; kind: BOOL UINT32 FIXED32 UINT64 SINT32 SINT64 BYTES."
	print " */"
	print "#ifndef IMAGE_NUMBER"
	print "#define IMAGE_NUMBER(rule, kind, type, number, name, value)"
	print "#endif"
	print "#ifndef IMAGE_BYTES"
	print "#define IMAGE_BYTES(rule, kind, number, name, text)"
	print "#endif"
}

{ sub(/[ \t]*\/\/.*/, "") }
/^[ \t]*$/ { next }
/^syntax = "proto2";$/ || /^package tern;$/ { next }
/^message Image \{$/ && !inside { inside = 1; next }
/^}$/ && inside { inside = 0; done = 1; next }

inside && /^\t(required|optional) [a-z0-9]+ [a-z0-9_]+ = [0-9]+( \[default = [^ ]+\])?;$/ {
	gsub(/[;\]]/, "")
	rule = toupper($1)
	kind = $2
	name = $3
	number = $5 + 0
	value = NF > 5 ? $8 : ""
	if (number <= last)
		fail("field " number " is not behind field " last)
	if (name in seen)
		fail("two fields are called " name)
	last = number
	seen[name] = 1
	if (kind in type_of) {
		if (value == "")
			value = kind == "bool" ? "false" : "0"
		if (value in limit)
			value = limit[value]
		printf "IMAGE_NUMBER(%s, %s, %s, %d, %s, %s)\n", rule, toupper(kind), type_of[kind], number, name, value
	} else if (kind == "bytes") {
		printf "IMAGE_BYTES(%s, %s, %d, %s, %s)\n", rule, toupper(kind), number, name, value == "" ? "\"\"" : value
	} else {
		fail("no such type: " kind)
	}
	next
}

{ fail("cannot read this: " $0) }

END {
	if (failed)
		exit 1
	if (!done)
		fail("no message in it")
	print "#undef IMAGE_NUMBER"
	print "#undef IMAGE_BYTES"
}
