#!/bin/sh
# readme.sh -- writes the tables of passes/README.md: what each pass is for, and what
# it does to bert-base.
#   readme.sh GRAFT            rewrites the file
#   readme.sh GRAFT --check    says whether it is what would be written
graft=$1
source=$(cd "$(dirname "$0")/.." && pwd)
readme=$source/passes/README.md
written=$(mktemp) || exit 1
trap 'rm -f "$written" "$written.list"' EXIT

mark='<!-- written by passes/readme.sh -->'
awk -v mark="$mark" '{ print } $0 == mark { exit }' "$readme" >"$written"

# table VARIANT ABOUT
table() {
    printf '\n## %s: %s\n\n' "$1" "$2"
    "$graft" compile "$source/models/bert.json" --variant "$source/models/variants/$1.json" \
        --set num_labels=6 --stats=markdown --emit ir -o "$written.list" || exit 1
}

{
    printf '\n## What each is for\n\n| pass | what it is for |\n| --- | --- |\n'
    "$graft" passes | sed -n 's/^\([a-z][a-z-]*\)  *\(.*\)$/| `\1` | \2 |/p'
    table full 'everything trains'
    table classifier 'the encoder is frozen'
    table lora 'adapters beside query, key and value'
} >>"$written" || exit 1

if [ "$2" = --check ]; then
    diff -u "$readme" "$written" && exit 0
    echo "passes/README.md is not what passes/readme.sh writes: run it"
    exit 1
fi
cp "$written" "$readme"
