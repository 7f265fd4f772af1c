# Ranges of semantic versions, as npm reads them (https://github.com/npm/node-semver#ranges), over plain versions of three
# numbers. A range is a list of alternatives, each a list of [lowest that fits, first above that does not].
# Versions with a suffix (1.0.0-rc.1) fit no range; they can only be named exactly.

def infinite: [1e9, 0, 0];

# "1", "1.2", "v1.2.x" -> [1], [1,2], [1,2]
def numbers: ltrimstr("v") | sub("[-+].*"; "") | split(".") | map(select(test("^[0-9]+$")) | tonumber);
def lowest: . + [0, 0, 0] | .[:3];
# The first version that does not begin with these numbers.
def next: if length == 0 then infinite else .[:-1] + [.[-1] + 1] | lowest end;

# What ^ allows: everything until the first number that is not zero changes.
def caret: if length == 0 then infinite
           elif .[0] > 0 or length == 1 then .[:1] | next
           elif .[1] > 0 or length == 2 then .[:2] | next
           else next end;

# What is no version fits none.
def comparator:
  if test("^[<>=^~]*v?([0-9]+|[xX*])([.]([0-9]+|[xX*])){0,2}([-+].*)?$") | not then [[0, 0, 0], [0, 0, 0]] else
  capture("^(?<sign>[<>]=?|=|\\^|~>?)?(?<version>.*)$") | .sign as $sign | .version | numbers
  | if   $sign == ">=" then [lowest, infinite]
    elif $sign == ">"  then [next, infinite]
    elif $sign == "<=" then [[0, 0, 0], next]
    elif $sign == "<"  then [[0, 0, 0], lowest]
    elif $sign == "^"  then [lowest, caret]
    elif $sign == "~" or $sign == "~>" then [lowest, (.[:2] | next)]
    else [lowest, next] end
  end;

def range:
  gsub("\\s+"; " ") | (if . == "" then [""] else split("||") end) | map(
    gsub("^ | $"; "") | gsub("(?<sign>[<>=^~]) "; .sign)
    | gsub("(?<low>[^ ]+) - (?<high>[^ ]+)"; ">=" + .low + " <=" + .high)
    | split(" ") | map(select(. != "")) | map(comparator)
  );

def fits($range): (numbers | lowest) as $version
  | any($range[]; all(.[]; .[0] <= $version and $version < .[1]));

# The newest that fits, of a list of versions; null if none does.
def newest($wanted):
  ($wanted | gsub("^[\\s=v]+|\\s+$"; "")) as $exact
  | if index([$exact]) then $exact
    else ($wanted | range) as $range
      | map(select(test("^[0-9]+\\.[0-9]+\\.[0-9]+$") and fits($range))) | max_by(numbers)
    end;

# The newest of each major version, the highest first.
def newest_of_each: map(select(test("^[0-9]+\\.[0-9]+\\.[0-9]+$"))) | group_by(numbers[0])
  | map(max_by(numbers)) | sort_by(numbers) | reverse;
