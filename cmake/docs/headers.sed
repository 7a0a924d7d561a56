# What Doxygen reads in place of a header: sed -E

# It does not understand a nested inline namespace.
s/namespace planecast::inline v0/namespace planecast/

# The comment at the top is the file's. `#pragma once` goes, so that all that follows keeps its line.
1{
/^\/\/ /i\
/// \\file
}
1,/^#pragma once/s:^// :/// :
/^#pragma once/d

# Each label begins a paragraph.
s#^( *)/// (Preconditions|Effects|Errors|Stream|Example):#\1/// <p><b>\2:</b>#
