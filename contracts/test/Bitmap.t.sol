// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../src/libraries/Bitmap.sol";
import {Test} from "./support/Test.sol";

contract BitmapTest is Test {
    uint256 private constant KEY = 7 << 9;
    uint256 private constant OPERATIONS = 40;

    mapping(uint256 key => uint256[]) private _members;

    function testFuzz_lowestIsTheFirstBitThatIsSet(uint256 word, uint8 zeros) public pure {
        word = (word | 1) << zeros;
        uint256 naive;
        while (word >> naive & 1 == 0) ++naive;
        assertEq(Bitmap.lowest(word), naive, "lowest bit");
    }

    function test_lowestFindsEachSingleBit() public pure {
        for (uint256 i; i < 256; ++i) {
            assertEq(Bitmap.lowest(1 << i), i, "lowest bit");
        }
    }

    function testFuzz_behavesLikeASetOfNumbers(uint256 seed) public {
        for (uint256 i; i < OPERATIONS; ++i) {
            uint256 key = KEY + (random(seed, 4 * i) % 2 << 9);
            uint256 member = _someMember(random(seed, 4 * i + 1));
            if (random(seed, 4 * i + 2) % 3 == 0) {
                _removeBoth(key, member);
            } else {
                _addBoth(key, member);
            }
            uint256 from = random(seed, 4 * i + 3) % 70_000;
            assertEq(Bitmap.next(key, 0), _naiveNext(key, 0), "smallest member");
            assertEq(Bitmap.next(key, from), _naiveNext(key, from), "smallest member from a random number");
            assertEq(Bitmap.next(key, member), _naiveNext(key, member), "smallest member from the changed one");
            assertEq(Bitmap.next(key, member + 1), _naiveNext(key, member + 1), "smallest member after the changed one");
        }
    }

    function test_theFirstAndTheLastNumberCanBeMembers() public {
        assertTrue(Bitmap.add(KEY, 65_535), "was empty");
        assertFalse(Bitmap.add(KEY, 0), "was not empty");
        assertEq(Bitmap.next(KEY, 1), 65_535, "last number");
        assertFalse(Bitmap.remove(KEY, 0), "not empty yet");
        assertEq(Bitmap.next(KEY, 0), 65_535, "only member");
        assertTrue(Bitmap.remove(KEY, 65_535), "empty again");
        assertEq(Bitmap.next(KEY, 0), Bitmap.NONE, "no member");
    }

    function testFuzz_noMemberIsBeyondSixteenBits(uint256 from) public {
        Bitmap.add(KEY, 65_535);
        assertEq(Bitmap.next(KEY, bound(from, 65_536, type(uint256).max - 1)), Bitmap.NONE, "beyond the last number");
    }

    /// @dev Clustered, so that members share leaves and leaves become empty.
    function _someMember(uint256 entropy) private pure returns (uint256) {
        return entropy % 4 * 21_760 + entropy / 4 % 4 * 85;
    }

    function _addBoth(uint256 key, uint256 member) private {
        bool first = Bitmap.add(key, member);
        assertTrue(first == (_members[key].length == 0), "first member");
        if (_find(key, member) == _members[key].length) _members[key].push(member);
    }

    function _removeBoth(uint256 key, uint256 member) private {
        uint256 place = _find(key, member);
        if (place == _members[key].length) return;
        _members[key][place] = _members[key][_members[key].length - 1];
        _members[key].pop();
        assertTrue(Bitmap.remove(key, member) == (_members[key].length == 0), "last member");
    }

    function _find(uint256 key, uint256 member) private view returns (uint256 place) {
        while (place < _members[key].length && _members[key][place] != member) ++place;
    }

    function _naiveNext(uint256 key, uint256 from) private view returns (uint256 smallest) {
        smallest = Bitmap.NONE;
        for (uint256 i; i < _members[key].length; ++i) {
            uint256 member = _members[key][i];
            if (member >= from && member < smallest) smallest = member;
        }
    }
}
