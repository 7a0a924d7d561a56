# What Doxygen reads in place of a guide: sed -E

# Code stays as it is.
/^ *```/,/^ *```/b

# A link to a header goes to its page. Others, but for those to guides, would lead out of the reference.
s#\[`?([^][`]*)`?\]\((\.\./)*include/(planecast/[^)]*\.hpp)\)#[\1](@ref:\3)#g
s#\[([^][]*)\]\((\#[^)]*|[^):]*[^):d])\)#\1#g
s#\(@ref:#(@ref #g
