# Writes OUT, a C++ source with the bytes of FILES (apart by commas):
#   cmake -DOUT=x.cc -DFILES=a.html,b.js -P Embed.cmake
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
set(index 0)
foreach(file IN LISTS files)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  get_filename_component(name ${file} NAME)
  string(APPEND arrays "const unsigned char kFile${index}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${name}\", {reinterpret_cast<const char*>(kFile${index}), sizeof(kFile${index}) - 1}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUT} "#include \"admin/dashboard.h\"\n\nnamespace pointsman::admin {\nnamespace {\n\n${arrays}\n"
  "const DashboardAsset kAssets[] = {\n${rows}};\n\n}  // namespace\n\n"
  "std::span<const DashboardAsset> DashboardAssets() { return kAssets; }\n\n}  // namespace pointsman::admin\n")
