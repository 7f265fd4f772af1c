console.log("two and three are", require("./build/Release/addon.node").add(2, 3));
